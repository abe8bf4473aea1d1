#!/usr/bin/env bats
# world/render and world/score: clips that are what their truth says, and captions held against it.
load ../programs/common

setup() {
    DIR=$BATS_TEST_TMPDIR
}

# keyframes FILE: the times of its keyframes, one a line.
keyframes() {
    ffprobe -v error -select_streams v -show_entries frame=key_frame,pts_time -of json "$1" |
        jq '.frames[] | select(.key_frame == 1) | .pts_time | tonumber'
}

@test "render: the same bytes for any number of threads, other bytes for another seed" {
    exits 0 vlrm-world-render --seed 7 --split test --clips 3 --out "$DIR/a" --threads 1
    exits 0 vlrm-world-render --seed 7 --split test --clips 3 --out "$DIR/b" --threads 2
    exits 0 vlrm-world-render --seed 8 --split test --clips 1 --out "$DIR/c"
    diff -r "$DIR/a" "$DIR/b"
    files=("$DIR"/a/*)
    [ "${#files[@]}" -eq 6 ]
    exits 1 cmp -s "$DIR/a/test-7-000000.mp4" "$DIR/c/test-8-000000.mp4"
}

@test "render: --first goes on where another run ended" {
    exits 0 vlrm-world-render --clips 3 --out "$DIR/a"
    exits 0 vlrm-world-render --clips 1 --first 2 --out "$DIR/b"
    [ "$(echo "$DIR"/b/*)" = "$DIR/b/train-1-000002.jsonl $DIR/b/train-1-000002.mp4" ]
    cmp "$DIR/a/train-1-000002.mp4" "$DIR/b/train-1-000002.mp4"
}

@test "render: --distinct draws no scene twice, also when it begins later" {
    # What a caption could tell of a scene, places and relations aside.
    content='.scene | [.background, ([.objects[] | [.shape, .colour, .size, .fill]] | sort)]'
    exits 0 vlrm-world-render --seed 44 --split test --clips 60 --size 16 --out "$DIR/a"
    exits 0 vlrm-world-render --seed 44 --split test --clips 60 --size 16 --distinct --out "$DIR/b"
    exits 0 vlrm-world-render --seed 44 --split test --clips 2 --first 58 --size 16 --distinct --out "$DIR/c"
    [ "$(cat "$DIR"/a/*.jsonl | jq -c "$content" | sort | uniq -d | wc -l)" -gt 0 ]
    [ "$(cat "$DIR"/b/*.jsonl | jq -c "$content" | sort | uniq -d | wc -l)" -eq 0 ]
    for file in "$DIR"/c/*; do cmp "$file" "$DIR/b/${file##*/}"; done
    [ "$(cat "$DIR"/a/*.jsonl | wc -l)" -eq "$(cat "$DIR"/b/*.jsonl | wc -l)" ]
}

@test "render: H.264 of the size asked for, with a keyframe at every cut and nowhere else" {
    exits 0 vlrm-world-render --seed 3 --split validation --clips 6 --size 96 --rate 10 --out "$DIR"
    [ "$output" = "" ]
    for clip in "$DIR"/*.mp4; do
        jq .start "${clip%.mp4}.jsonl" >"$DIR/starts"
        keyframes "$clip" | jq . >"$DIR/keys"
        diff "$DIR/starts" "$DIR/keys"
        shots=$(wc -l <"$DIR/starts")
        [ "$shots" -ge 3 ] && [ "$shots" -le 6 ]
        [ "$(ffprobe -v error -show_entries stream=codec_name,width,height,color_space -of csv=p=0 "$clip")" = "h264,96,96,bt709" ]
        duration=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$clip")
        jq -e --argjson d "$duration" -s '.[-1].end - $d | fabs < 0.001' "${clip%.mp4}.jsonl"
    done
}

@test "render: what is painted is what the truth says" {
    clip=$DIR/train-1-000000
    exits 0 vlrm-world-render --clips 1 --quality 10 --out "$DIR"
    exits 0 ffmpeg -v error -i "$clip.mp4" -frames:v 1 "$DIR/frame.ppm"
    # A corner shows the background: navy for this clip's first shot.
    [ "$(jq -r 'select(.shot == 0).scene.background | .colour + " " + .texture' "$clip.jsonl")" = "navy plain" ]
    run sh -c "convert '$DIR/frame.ppm' -crop 1x1+2+2 -depth 8 rgb:- | od -An -tu1"
    read -r red green blue <<<"$output"
    [ "$red" -lt 40 ] && [ "$green" -lt 50 ] && [ "$blue" -gt 70 ] && [ "$blue" -lt 110 ]
}

@test "render: wrong usage, and a folder that cannot be written" {
    exits 2 vlrm-world-render --clips 1
    says "--out DIR is required"
    exits 2 vlrm-world-render --clips 1 --size 63 --out "$DIR"
    exits 2 vlrm-world-render --split zebra --out "$DIR"
    exits 2 vlrm-world-render --out "$DIR" operand
    echo file >"$DIR/file"
    exits 1 vlrm-world-render --clips 1 --out "$DIR/file"
    says "$DIR/file"
}

@test "render: a full disk is an error that names the file, and leaves nothing half" {
    # A limit on the size of files stands in for a full disk: no privilege is needed.
    run bash -c "trap '' XFSZ; ulimit -f 4; exec '$BIN/vlrm-world-render' --clips 1 --size 256 --out '$DIR/full'"
    [ "$status" -eq 1 ]
    says "$DIR/full/train-1-000000.mp4"
    [ -z "$(ls "$DIR/full")" ]
}

# stream_of FILE KEY: a stream with the first caption KEY (short, long) of each shot of the truth, made by hand; the records name
# their frames by id alone.
stream_of() {
    /usr/bin/python3 - "$1" "$2" <<'END'
import json, sys
import msgpack, xxhash
path, key = sys.argv[1:]
out = msgpack.packb({"vlrm": 1, "stage": "hand", "version": "0", "params": {}, "inputs": []})
shots = [json.loads(line) for line in open(path)]
for s in shots:
    out += msgpack.packb({"id": "%s#%.3f" % (s["clip"][:-4], s["start"]), "caption": {"text": s[key][0] if key in s else key}})
body = {"records": len(shots), "failed": 0, "filtered": 0, "status": 0, "digest": "0" * 16}
end = msgpack.packb({"end": body})[:-17]
out += end
sys.stdout.buffer.write(out + msgpack.packb(xxhash.xxh3_64_hexdigest(out)))
END
}

# scored KEY: the report on such a stream.
scored() {
    stream_of "$DIR/test-4.jsonl" "$1" >"$DIR/$1.vlrm"
    vlrm-world-score --truth "$DIR/test-4.jsonl" --per-caption "$DIR/each.jsonl" "$DIR/$1.vlrm"
}

some_truth() {
    exits 0 vlrm-world-render --seed 4 --split test --clips 12 --size 32 --out "$DIR/clips"
    cat "$DIR"/clips/*.jsonl >"$DIR/test-4.jsonl"
}

@test "score: long true captions say everything, short ones little, both truly" {
    some_truth
    scored long >"$DIR/long.json"
    jq -e '.detail_recall == 1 and .hallucination == 0 and .grammar == 1 and .colour_coverage == 1' "$DIR/long.json"
    jq -e -s "length == $(wc -l <"$DIR/test-4.jsonl") and all(.there == .found and .wrong == 0 and .grammatical)" "$DIR/each.jsonl"
    scored short >"$DIR/short.json"
    jq -e '.detail_recall > 0.05 and .detail_recall < 0.5 and .hallucination == 0 and .grammar == 1' "$DIR/short.json"
    jq -e -n --slurpfile a "$DIR/long.json" --slurpfile b "$DIR/short.json" '$a[0].words > 2 * $b[0].words'
}

@test "score: one sentence for every frame is mostly false, and word salad is no sentence" {
    some_truth
    scored 'a big red solid circle' >"$DIR/same.json"
    jq -e '.hallucination > 0.3 and .grammar == 1 and .words == 5 and .colour_words == 1' "$DIR/same.json"
    scored 'circle a red zebra' >"$DIR/salad.json"
    jq -e '.grammar == 0 and .hallucination > 0' "$DIR/salad.json"
    scored 'nothing' >"$DIR/nothing.json"
    jq -e '.detail_recall == 0 and .hallucination == null' "$DIR/nothing.json"
}

@test "score: frames of another clip fail by name; cut input, no input and wrong usage have their statuses" {
    some_truth
    stream_of "$DIR/test-4.jsonl" long >"$DIR/long.vlrm"
    exits 3 vlrm-world-score --truth "$DIR/clips/test-4-000001.jsonl" "$DIR/long.vlrm"
    says 'record test-4-000000#0.000: its frame is in no shot of'
    head -c 900 "$DIR/long.vlrm" >"$DIR/cut.vlrm"
    exits 5 vlrm-world-score --truth "$DIR/clips" --per-caption "$DIR/never.jsonl" "$DIR/cut.vlrm"
    case $output in *detail_recall*) false ;; esac
    [ ! -e "$DIR/never.jsonl" ]
    exits 5 vlrm-world-score --truth "$DIR/clips" /dev/null
    exits 2 vlrm-world-score "$DIR/long.vlrm"
    exits 1 vlrm-world-score --truth "$DIR/nowhere" "$DIR/long.vlrm"
    mkdir "$DIR/empty"
    exits 1 vlrm-world-score --truth "$DIR/empty" "$DIR/long.vlrm"
    says 'no truth in it'
}

# captions OPTIONS: a stream of captions made from the truth, of the frames in frames.vlrm.
captions() {
    vlrm-world-captions --truth "$DIR/clips" "$@" "$DIR/frames.vlrm"
}

some_frames() {
    some_truth
    stream_of "$DIR/test-4.jsonl" long >"$DIR/frames.vlrm"
}

@test "captions: true ones of every kind, the same for the same seed, others for another" {
    some_frames
    for kind in long short bare range; do
        captions --kind "$kind" >"$DIR/$kind.vlrm"
        vlrm-world-score --truth "$DIR/clips" "$DIR/$kind.vlrm" >"$DIR/$kind.json"
        jq -e '.hallucination == 0 and .grammar == 1' "$DIR/$kind.json"
    done
    jq -e '.detail_recall == 1' "$DIR/long.json"
    jq -e '.words == 2' "$DIR/bare.json"
    jq -e -n --slurpfile a "$DIR/short.json" --slurpfile b "$DIR/range.json" '$a[0].words < $b[0].words'
    captions --kind long | cmp - "$DIR/long.vlrm"
    exits 1 cmp -s "$DIR/long.vlrm" <(captions --kind long --seed 2)
    captions --kind web | vlrm-world-score --truth "$DIR/clips" | jq -e '.grammar == 1 and .words < 8'
}

@test "captions: a falsified one is the true one with one word changed; an exchanged one is false too" {
    some_frames
    captions | vlrm-cat --fields caption.text | jq -r '.caption.text // empty' >"$DIR/true"
    captions --falsify >"$DIR/false.vlrm"
    vlrm-cat --fields caption.text "$DIR/false.vlrm" | jq -r '.caption.text // empty' >"$DIR/false"
    paste -d'\n' "$DIR/true" "$DIR/false" | awk '
        NR % 2 {n = split($0, word); next}
        {
            changed = 0
            for (i = 1; i <= NF; i++) changed += $i != word[i] && !($i ~ /^an?$/ && word[i] ~ /^an?$/)
            if (NF != n || changed != 1) {print "not one word: " $0; failed = 1}
        }
        END {exit failed || NR < 20}'
    vlrm-world-score --truth "$DIR/clips" --per-caption "$DIR/each.jsonl" "$DIR/false.vlrm" | jq -e '.grammar == 1'
    jq -e -s 'all(.wrong > 0)' "$DIR/each.jsonl"
    captions --exchange >"$DIR/exchanged.vlrm"
    vlrm-world-score --truth "$DIR/clips" --per-caption "$DIR/each.jsonl" "$DIR/exchanged.vlrm" >/dev/null
    jq -e -s 'length > 10 and all(.wrong > 0)' "$DIR/each.jsonl"
    jq -e -s '.[0].end.filtered > 0' <(vlrm-cat "$DIR/exchanged.vlrm" | tail -n 1)
}

@test "captions: a frame without truth fails by name; wrong usage" {
    some_frames
    exits 3 bash -c "vlrm-world-captions --truth '$DIR/clips/test-4-000001.jsonl' '$DIR/frames.vlrm' | cat >/dev/null; exit \${PIPESTATUS[0]}"
    says 'record test-4-000000#0.000: its frame is in no shot of'
    head -c 900 "$DIR/frames.vlrm" >"$DIR/cut.vlrm"
    exits 5 bash -c "vlrm-world-captions --truth '$DIR/clips' '$DIR/cut.vlrm' | cat >/dev/null; exit \${PIPESTATUS[0]}"
    exits 2 vlrm-world-captions "$DIR/frames.vlrm"
    says '--truth DIR is required'
    exits 2 vlrm-world-captions --truth "$DIR/clips" --falsify --exchange "$DIR/frames.vlrm"
    exits 1 bash -c "vlrm-world-captions --truth '$DIR/nowhere' '$DIR/frames.vlrm' | cat; exit \${PIPESTATUS[0]}"
}

@test "world/render and world/score are the programs" {
    exits 0 "$ROOT/world/render" --clips 1 --size 32 --out "$DIR/a"
    stream_of "$DIR/a/train-1-000000.jsonl" long >"$DIR/long.vlrm"
    exits 0 "$ROOT/world/score" --truth "$DIR/a" "$DIR/long.vlrm"
    says '"detail_recall": 1.0'
}
