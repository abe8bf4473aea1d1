#!/usr/bin/env bats
# world/render and world/score: clips that are what their truth says, and captions held against it.
load common

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
