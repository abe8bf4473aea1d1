#!/usr/bin/env bats
# formats/: the Python reader and writer exchange streams with ours, in both directions; the pages' examples are true.

load common

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    PYTHON=/usr/bin/python3 # Debian's, which has Debian's packages
    cat >lines <<'END'
{"id": "é", "frame": {"width": 640, "image": {"$bin": "AP8QAA=="}}, "unknown": [null, true, -1, 1e300, 9007199254740993]}
{"batch": {"index": 0, "records": 1}}
{"id": "b", "caption": {"text": "", "logp": [-0.5]}}
END
    jq -cn '{id: "large", caption: {text: ([range(60000)] | map(tostring) | join(" "))}}' >>lines
}

data() {
    jq -c 'select(.vlrm or .end | not) | del(.batch.digest)'
}

# python WORDS: runs the program on stdin, which may import vlrm_stream.
python() {
    PYTHONPATH=$ROOT/formats PYTHONDONTWRITEBYTECODE=1 "$PYTHON" - "$@"
}

# read_by_python FILE: its lines, as ours are.
read_by_python() {
    python "$1" <<'END'
import base64, json, sys, vlrm_stream
for kind, record in vlrm_stream.read(open(sys.argv[1], "rb")):
    print(json.dumps(record, ensure_ascii=False, default=lambda b: {"$bin": base64.b64encode(b).decode()}))
END
}

# write_by_python LEVEL: the file lines, as a stream.
write_by_python() {
    python "$1" <<'END'
import base64, json, sys, vlrm_stream
unbin = lambda o: base64.b64decode(o["$bin"]) if list(o) == ["$bin"] else o
vlrm_stream.write(sys.stdout.buffer, (json.loads(line, object_hook=unbin) for line in open("lines")), zstd=int(sys.argv[1]))
END
}

@test "ours, read by Python" {
    vlrm-cat --from=json lines >plain
    vlrm-cat --from=json --zstd lines >packed
    for f in plain packed; do
        read_by_python $f >out
        cmp <(data <out) <(data <lines)
        jq -e 'select(.end) | .end.records == 3' out
    done
    cat plain packed plain >both
    read_by_python both | jq -s -e 'map(select(.end)) | length == 3'
    cat packed packed plain >both
    read_by_python both | jq -s -e 'map(select(.end)) | length == 3'
}

@test "Python's, read by ours" {
    for level in 0 3 19; do
        write_by_python $level >stream
        vlrm-cat --bin=base64 stream >out
        cmp <(data <out) <(data <lines)
    done
    [ "$(head -c 4 stream | od -An -tx1 | tr -d ' ')" = 562a4d18 ]
}

@test "Python refuses what is cut or changed, as ours does" {
    printf '%s\n' '{"id": "a", "x": 1}' >short
    for zstd in 0 3; do
        vlrm-cat --from=json --zstd=$zstd short >stream
        python <<'END'
import io, vlrm_stream
data = open("stream", "rb").read()
def whole(d):
    try:
        return len(list(vlrm_stream.read(io.BytesIO(d)))) >= 0
    except vlrm_stream.Corrupt:
        return False
assert whole(data)
for i in range(len(data)):
    assert not whole(data[:i]), ("cut", i)
    for bit in range(8):
        assert not whole(data[:i] + bytes([data[i] ^ 1 << bit]) + data[i + 1:]), ("flip", i, bit)
END
    done
}

@test "Python's status travels" {
    python <<'END'
import vlrm_stream
vlrm_stream.write(open("failed", "wb"), [{"id": "1"}], status=1)
END
    exits 1 vlrm-cat --count failed
}

@test "the example in envelope.md is a stream" {
    sed -n '/^    0000 /,/^$/p' "$ROOT/formats/envelope.md" | sed -E 's/^    [0-9a-f]{4}  //; s/  .*//' | xxd -r -p >example
    vlrm-cat example >out
    [ "$(jq -c 'select(.id)' out)" = '{"id":"1","caption":{"text":"a bus"}}' ]
}

@test "the Python reader and writer fit in the hundred lines that are promised" {
    [ "$(wc -l <"$ROOT/formats/vlrm_stream.py")" -le 100 ]
    grep -qF "(vlrm_stream.py), $(wc -l <"$ROOT/formats/vlrm_stream.py") lines" "$ROOT/formats/envelope.md"
}

# columns FILE PROGRAM: the names in the first column of the tables under a program's heading, one a line.
columns() {
    awk -v want="$2" '/^## /{on = index($0, want) > 0} on && /^\| `/' "$1" | sed -E 's/^\| ([^|]*) \|.*/\1/' | tr -d '`,' | tr ' ' '\n' | sort -u
}

@test "report.md names every key of vlrm-eval's report and of vlrm-world-score's, and no other" {
    local oracle=$ROOT/tests/golden/oracle/tiny
    jq -c --arg at "$oracle/f64/" '.frame |= {path: ($at + .path), references: ["a red circle"]}' "$oracle/f64/captions.jsonl" | vlrm-cat --from=json >in
    jq -c '{images: [range(30) | {id: .}], annotations: [], categories: [{id: 1, name: "kite"}]}' -n >instances.json
    echo kite >synonyms.txt
    local measure=(vlrm-eval --clip "$oracle/clip" --itm "$oracle/itm" --references --chair instances.json --synonyms synonyms.txt)
    "${measure[@]}" --per-image each.jsonl -o base.json in
    "${measure[@]}" --baseline each.jsonl -o report.json in
    jq -r 'keys[], (.runs[] | keys[]), (.runs[].metrics | keys[])' report.json | sed -E 's/r@[0-9]+/r@K/' | sort -u >found
    diff found <(columns "$ROOT/formats/report.md" vlrm-eval)
    jq -e '[.runs[].metrics[], .baseline.difference[] | keys == ["high", "low", "mean"]] | all' report.json
    jq -e '.runs[1] | .name == "REF" and (has("failed") or has("upstream") or (.metrics | has("words")) | not)' report.json
    vlrm-world-render --seed 4 --split test --clips 1 --size 32 --out clips
    id=$(jq -r '"\(.clip)#\(.start)"' clips/*.jsonl | head -n 1)
    jq -cn --arg id "$id" '{id: $id, caption: {text: "a red circle"}}' | vlrm-cat --from=json | vlrm-world-score --truth clips >score.json
    diff <(jq -r 'keys[]' score.json | sort -u) <(columns "$ROOT/formats/report.md" vlrm-world-score)
}

@test "a header names the models and lists that shaped a stage's output, by what is in them" {
    local oracle=$ROOT/tests/golden/oracle/tiny
    digest() { vlrm-weights digest "$@" | cut -f1; }
    xxh3() { "$PYTHON" -c 'import sys, xxhash; print(xxhash.xxh3_64(open(sys.argv[1], "rb").read()).hexdigest())' "$1"; }
    of() { head -1 "$1" | jq -r --arg role "$2" '.inputs[] | select(.role == $role).digest'; }
    head -2 "$oracle/f64/captions.jsonl" | jq -r --arg at "$oracle/f64/" '$at + .frame.path' >list
    head -2 "$oracle/f64/captions.jsonl" | jq -c '{filename: .frame.path, split: "test"}' | jq -cs '{images: .}' >coco.json
    vlrm-extract --list list --coco coco.json --root "$oracle/f64" --limit 2 >frames
    vlrm-cat frames >extract
    vlrm-extract --list <(cat list) --limit 2 | vlrm-cat >piped
    vlrm-rollout --model "$oracle/blip2" --greedy frames >captions
    vlrm-cat captions >rollout
    vlrm-reward --model "$oracle/blip2" --itm "$oracle/itm" --clip "$oracle/clip" captions >rewarded
    vlrm-cat rewarded >reward
    vlrm-update --model "$oracle/blip2" --run run --off-policy --batch 2 --init "$oracle/f64/init.safetensors" --record recorded --keep-batches 1 rewarded
    vlrm-cat recorded >update
    vlrm-cat run/batches/step-000001/batch.vlrm >kept
    vlrm-eval --clip "$oracle/clip" --itm "$oracle/itm" captions >measured
    # The roles are those of the page, the digests those of the tensors and bytes.
    awk '/^An entry of `inputs`/ {on = 1} /^Of a model/ {on = 0} on && /^\|/' "$ROOT/formats/envelope.md" | cut -d'|' -f3 | grep -oE '`[a-z-]+`' | tr -d '`' | sort >page
    (head -1 extract; head -1 rollout; head -1 reward; head -1 update; echo '{"inputs": [{"role": "policy"}, {"role": "ref-tokenizer"}, {"role": "good-phrases"}, {"role": "score"}]}') | jq -r '.inputs[].role' | sort | diff page -
    [ "$(of extract list)" = "$(xxh3 list)" ]
    [ "$(of extract coco)" = "$(xxh3 coco.json)" ]
    [ "$(head -1 piped | jq -c .inputs)" = '[]' ]
    [ "$(of rollout model)" = "$(digest "$oracle/blip2")" ]
    [ "$(of rollout tokenizer)" = "$(of reward tokenizer)" ]
    [ "$(of reward itm)" = "$(digest "$oracle/itm")" ]
    [ "$(of update model)" = "$(of rollout model)" ]
    [ "$(of update init)" = "$(digest "$oracle/f64/init.safetensors")" ]
    diff <(head -1 update | jq -c .inputs) <(head -1 kept | jq -c .inputs)
    [ "$(of reward ref)" = "$(digest "$oracle/blip2" language_model.)" ]
    [ "$(of reward clip)" = "$(digest "$oracle/clip")" ]
    [ "$(of reward bad-phrases)" = "$(xxh3 "$ROOT/share/bad-phrases.txt")" ]
    [ "$(of reward exempt-words)" = "$(xxh3 "$ROOT/share/exempt-words.txt")" ]
    [ "$(of measured colour-words)" = "$(xxh3 "$ROOT/share/colour-words.txt")" ]
    for role in clip clip-tokenizer itm itm-tokenizer bad-phrases exempt-words; do [ "$(of measured "$role")" = "$(of reward "$role")" ]; done
    # Elsewhere, in other files: the same. Another word: another tokenizer, the same model. A list from a pipe has its bytes' digest.
    cp -r "$oracle/itm" itm
    vlrm-reward --model "$oracle/blip2" --itm itm --no-ref --bad-phrases <(cat "$ROOT/share/bad-phrases.txt") captions | vlrm-cat >moved
    for role in itm itm-tokenizer bad-phrases; do [ "$(of moved "$role")" = "$(of reward "$role")" ]; done
    [ -z "$(of moved ref)$(of moved clip)" ]
    sed -i 's/^the$/teh/' itm/vocab.txt
    vlrm-reward --model "$oracle/blip2" --itm itm --no-ref captions | vlrm-cat >other
    [ "$(of other itm)" = "$(of reward itm)" ]
    [ "$(of other itm-tokenizer)" != "$(of reward itm-tokenizer)" ]
}

@test "a header names the policy of one step; recombining needs no model" {
    local oracle=$ROOT/tests/golden/oracle/tiny
    head -1 "$oracle/f64/captions.jsonl" | jq -c --arg at "$oracle/f64/" '{id, frame: {path: ($at + .frame.path)}}' | vlrm-cat --from=json >frames
    vlrm-update --model "$oracle/blip2" --value-head linear --run run --prepare
    vlrm-rollout --model "$oracle/blip2" --greedy --policy run/policy/step-000000 frames >captions
    diff <(jq -r .policy run/policy/step-000000/config.json) <(vlrm-cat captions | head -1 | jq -r '.inputs[] | select(.role == "policy").digest')
    vlrm-reward --model "$oracle/blip2" --itm "$oracle/itm" captions | vlrm-reward --model "$oracle/blip2" --recombine | vlrm-cat >again
    [ "$(head -1 again | jq -c '[.inputs[].role]')" = '["tokenizer","bad-phrases","exempt-words"]' ]
    [ "$(head -1 again | jq -c '[.upstream.inputs[].role] | length')" = 6 ]
}
