#!/usr/bin/env bats
# bats file_tags=asan
# vlrm-cat: streams to JSON lines and back, choosing records, images to files; what is wrong is refused.

load ../programs/common

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    cat >lines <<'END'
{"id": "a", "frame": {"width": 2, "image": {"$bin": "AP8Q"}}, "caption": {"text": "a red bus", "logp": [-0.1, 2, 3.0]}}
{"id": "b", "caption": {"text": "snow \"deep\"\n\u0000é", "more": null}, "unknown": [1, {"x": true}]}
{"batch": {"index": 0, "records": 2, "step": 7}}
{"id": "c", "caption": {"text": ""}}
{"batch": {"index": 1, "records": 1}}
END
    vlrm-cat --from=json lines >s.vlrm
}

records() {
    grep -v '^{"vlrm"\|^{"end"'
}

@test "JSON lines become a stream and come back the same" {
    vlrm-cat --bin=base64 s.vlrm | records >back
    cmp <(jq -cS . lines) <(jq -cS . back)
    grep -qF '3.0' back
    vlrm-cat --bin=base64 s.vlrm | vlrm-cat --from=json | cmp - s.vlrm
}

@test "zstd, plain and concatenated streams" {
    vlrm-cat --zstd s.vlrm >z.vlrm
    vlrm-cat --zstd=19 s.vlrm >z19.vlrm
    [ "$(head -c 4 z.vlrm | od -An -tx1 | tr -d ' ')" = 562a4d18 ]
    zstd -dqc <z.vlrm | vlrm-cat >/dev/null
    cmp <(vlrm-cat z.vlrm | records) <(vlrm-cat s.vlrm | records)
    [ "$(cat s.vlrm z.vlrm s.vlrm z19.vlrm | vlrm-cat --count)" = 12 ]
    [ "$(vlrm-cat --count s.vlrm z.vlrm - <z19.vlrm)" = 9 ]
}

@test "choosing records and fields" {
    [ "$(vlrm-cat --id b,c s.vlrm | jq -c 'select(.id).id' | tr '\n' ' ')" = '"b" "c" ' ]
    [ "$(vlrm-cat --id a s.vlrm | jq -c 'select(.batch).batch.records' | tr '\n' ' ')" = '1 0 ' ]
    [ "$(vlrm-cat --batch-index 1 s.vlrm | jq -r 'select(.id).id')" = c ]
    [ "$(vlrm-cat --batch-index 0 --count s.vlrm)" = 2 ]
    [ "$(vlrm-cat --head 1 s.vlrm | jq -r 'select(.id).id')" = a ]
    [ "$(vlrm-cat --head 1 --to=stream s.vlrm | vlrm-cat --count)" = 1 ]
    [ "$(vlrm-cat --head 0 --count s.vlrm)" = 0 ]
    [ "$(vlrm-cat --fields caption.text,frame.width s.vlrm | jq -c 'select(.id == "a")')" = '{"id":"a","frame":{"width":2},"caption":{"text":"a red bus"}}' ]
    [ "$(vlrm-cat --fields id s.vlrm | jq -c 'select(.id == "b")')" = '{"id":"b"}' ]
    [ "$(vlrm-cat --fields caption --to=stream s.vlrm | vlrm-cat | jq -c 'select(.id == "b").caption.more')" = null ]
}

@test "the end line counts what was printed" {
    [ "$(vlrm-cat --id b s.vlrm | jq -c 'select(.end).end')" = '{"records":1,"failed":0,"filtered":0,"status":0}' ]
    vlrm-cat --id b --bin=base64 s.vlrm | vlrm-cat --from=json | vlrm-cat --count
}

@test "binary as size, base64 or not at all; a size is refused on the way back" {
    vlrm-cat s.vlrm | grep -qF '"image": "<3 bytes>"'
    # shellcheck disable=SC2016 # the dollar is the text's
    vlrm-cat --bin=base64 s.vlrm | grep -qF '{"$bin": "AP8Q"}'
    vlrm-cat --bin=omit s.vlrm | grep -qF '"frame": {"width": 2},'
    vlrm-cat s.vlrm >sizes
    exits 5 vlrm-cat --from=json --count sizes
    says 'sizes: line 2: "<3 bytes>" stands for bytes that are not there'
}

@test "a stream that is cut, or of which a byte is changed, is status 5 and never a clean end" {
    local size i
    size=$(stat -c %s s.vlrm)
    for ((i = 0; i < size; i += 37)); do
        head -c "$i" s.vlrm >cut.vlrm
        exits 5 sh -c 'vlrm-cat cut.vlrm >out'
        [ ! -s out ] || tail -1 out | jq -e '.end.status == 5'
    done
    python3 - <<'END'
data = bytearray(open("s.vlrm", "rb").read())
data[len(data) // 2] ^= 4
open("flip", "wb").write(data)
END
    exits 5 vlrm-cat flip
    exits 5 vlrm-cat /dev/null
    says 'empty'
    printf 'hello, this is no stream' >text
    exits 5 vlrm-cat text
    says 'text: byte 0'
    exits 1 vlrm-cat missing.vlrm
    says 'open missing.vlrm'
}

@test "what follows a cut stream sees the failure too" {
    exits 5 sh -c 'head -c 100 s.vlrm | vlrm-cat --to=stream >cut.vlrm'
    exits 5 sh -c 'vlrm-cat cut.vlrm >out'
    tail -1 out | jq -e '.end.status == 5'
    exits 5 sh -c 'vlrm-cat --to=stream /dev/null >none'
    exits 5 vlrm-cat none
}

@test "the status of an end travels" {
    printf '%s\n' '{"vlrm": 1}' '{"id": "x"}' '{"end": {"status": 3, "failed": 2}}' >three
    exits 3 vlrm-cat --from=json --count three
    exits 3 sh -c 'vlrm-cat --from=json three >three.vlrm'
    exits 3 vlrm-cat three.vlrm
    vlrm-cat three.vlrm | tail -1 | jq -e '.end.records == 1'
}

# refused TEXT LINE...: vlrm-cat --from=json ends with 5 on these lines and says TEXT.
refused() {
    printf '%s\n' "${@:2}" >wrong
    exits 5 vlrm-cat --from=json --count wrong
    says "$1"
}

@test "JSON lines that are wrong" {
    exits 5 vlrm-cat --from=json --count /dev/null
    refused 'ends before its end record' '{"vlrm": 1}' '{"id": "x"}'
    refused 'line 2' '{"id": "x"}' '{"id": '
    refused 'without an id' '{"text": "no id"}'
    refused 'expected a JSON object' '[1]'
    refused 'duplicate' '{"id": "x", "a": 1, "a": 2}'
    # shellcheck disable=SC2016
    refused '$bin needs base64' '{"id": "x", "a": {"$bin": "!"}}'
    # shellcheck disable=SC2016
    refused '$what' '{"id": "x", "a": {"$what": 1}}'
    printf '%s\n' '{"vlrm": 2}' '{"id": "x"}' '{"end": {"status": 0}}' >later
    exits 6 vlrm-cat --from=json --count later
    says 'another version'
    printf '\n{"id": "x"}\n\n' | vlrm-cat --from=json --count
}

@test "hostile ids write nothing outside the folder" {
    local long
    long=$(printf 'x%.0s' {1..400})
    jq -cn --arg long "$long" '("../up", "/etc/x", "-rf", "..", ".", "", "a b\u0000c", "é", $long, $long + "y", "clip#1.5") |
        {id: ., frame: {encoding: "png", image: {"$bin": "AAAA"}}}' | vlrm-cat --from=json >hostile.vlrm
    mkdir -p in/out
    [ "$(vlrm-cat --save-images in/out --count hostile.vlrm)" = 11 ]
    [ "$(find . -newer hostile.vlrm -type f | grep -cv '^./in/out/')" = 0 ]
    [ "$(find in/out -type f | wc -l)" = 11 ]
    for name in '%2E.%2Fup' '%2Fetc%2Fx' '%' '%2Drf' '%2E' '%2E.' 'a%20b%00c' 'clip#1.5'; do
        [ -e "in/out/$name.png" ] || { echo "no $name"; ls in/out; return 1; }
    done
}

@test "a link in the folder is not followed" {
    mkdir out
    ln -s ../escaped out/a.bin
    exits 0 vlrm-cat --save-images out --count s.vlrm
    [ ! -e escaped ]
    [ ! -L out/a.bin ] && [ "$(stat -c %s out/a.bin)" = 3 ]
}

@test "an image that cannot be written whole is not there, and what had its name still is" {
    for id in new old; do
        printf '{"id": "%s", "frame": {"image": {"$bin": "%s"}}}\n' "$id" "$(head -c 300000 /dev/zero | base64 -w0)"
    done | vlrm-cat --from=json >large.vlrm
    mkdir out
    echo kept >out/old.bin
    exits 3 bash -c 'ulimit -f 100; vlrm-cat --save-images out --count large.vlrm'
    says 'record new: write out/new.bin: File too large'
    [ "$(ls -A out)" = old.bin ]
    [ "$(cat out/old.bin)" = kept ]
    exits 1 vlrm-cat --save-images s.vlrm --count s.vlrm
    says 'create folder s.vlrm: what is there is not a folder'
}

@test "rgb images become PPM" {
    echo '{"id": "p", "frame": {"encoding": "rgb", "width": 1, "height": 1, "image": {"$bin": "AQID"}}}' | vlrm-cat --from=json >rgb.vlrm
    vlrm-cat --save-images out --count rgb.vlrm
    [ "$(head -2 out/p.ppm | tail -1)" = '1 1' ]
    [ "$(stat -c %s out/p.ppm)" = 14 ]
}

@test "full disk and wrong usage" {
    exits 1 sh -c 'vlrm-cat --to=stream s.vlrm >/dev/full'
    says 'No space left'
    exits 1 sh -c 'vlrm-cat s.vlrm >/dev/full'
    exits 2 vlrm-cat --zstd --to=json s.vlrm
    exits 2 vlrm-cat --zstd=20 s.vlrm
    exits 2 vlrm-cat --bin=base64 --to=stream s.vlrm
    exits 2 script -qec "vlrm-cat --to=stream s.vlrm" /dev/null
    says 'terminal'
}

@test "SIGTERM ends the stream with status 75" {
    mkfifo pipe
    { cat s.vlrm; exec sleep 1000; } >pipe &
    local feeder=$!
    vlrm-cat --to=stream pipe >out &
    local cat=$!
    eventually 60 test -s out
    kill -TERM "$cat"
    local status=0
    wait "$cat" || status=$?
    kill "$feeder"
    [ "$status" = 75 ]
}

@test "-n 0 is a whole stream of no record" {
    vlrm-cat -n 0 --to=stream s.vlrm >none.vlrm
    [ "$(vlrm-cat --count none.vlrm)" = 0 ]
    vlrm-cat -n 0 s.vlrm | jq -es 'length == 2 and .[0].vlrm == 1 and .[1].end.status == 0'
    exits 5 vlrm-cat -n 0 --to=stream /dev/null
}

@test "--no-header and --jsonl leave lines out; --fields on a terminal need no header" {
    [ "$(vlrm-cat --no-header s.vlrm | jq -r 'keys_unsorted[0]' | tr '\n' ' ')" = 'id id batch id batch end ' ]
    [ "$(vlrm-cat --jsonl s.vlrm | jq -r .id | tr '\n' ' ')" = 'a b c ' ]
    [ "$(vlrm-cat --jsonl --fields caption.text s.vlrm | head -1)" = '{"id": "a", "caption": {"text": "a red bus"}}' ]
    vlrm-cat --fields id s.vlrm | head -1 | grep -q '^{"vlrm"'
    script -qec 'vlrm-cat --fields id s.vlrm' /dev/null </dev/null | head -1 | grep -q '^{"id": "a"'
    script -qec 'vlrm-cat --header --fields id s.vlrm' /dev/null </dev/null | head -1 | grep -q '^{"vlrm"'
    head -c 60 s.vlrm >cut.vlrm
    exits 5 vlrm-cat --jsonl cut.vlrm
    exits 2 vlrm-cat --jsonl --to=stream s.vlrm
    says "--jsonl is for JSON lines"
}

@test "a whole number as an id becomes its digits; what is no text is refused by what it is" {
    printf '%s\n' '{"id": 139, "x": 1}' '{"id": -7}' '{"id": "7"}' | vlrm-cat --from=json | vlrm-cat --jsonl >out
    [ "$(jq -c .id out | tr '\n' ' ')" = '"139" "-7" "7" ' ]
    for id in 1.5 true '["a"]' null; do
        exits 5 vlrm-cat --from=json <<<"{\"id\": $id}"
        says "line 1: the id is $id, expected a string or a whole number"
    done
    exits 5 vlrm-cat --from=json <<<'{"caption": {}}'
    says "a record without an id"
}

@test "a batch record vouches for what came before it: any change is told at the batch" {
    vlrm-cat --from=json lines >whole.vlrm
    python3 - <<'END'
import subprocess
data = open("whole.vlrm", "rb").read()
begin = data.index(b"\xa2id\xa1a")
for i in range(begin, data.index(b"\xa5batch"), 7):
    changed = data[:i] + bytes([data[i] ^ 1]) + data[i + 1:]
    done = subprocess.run(["vlrm-cat", "--no-header"], input=changed, capture_output=True)
    assert done.returncode == 5 and b'{"batch"' not in done.stdout, (i, done)
END
}
