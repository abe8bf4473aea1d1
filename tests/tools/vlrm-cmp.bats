#!/usr/bin/env bats
# bats file_tags=asan
# vlrm-cmp: what is the same within a tolerance, and where streams differ.

load ../programs/common

# stream NAME LINE...: a stream of these JSON lines.
stream() {
    printf '%s\n' "${@:2}" >lines
    exits "${STATUS:-0}" sh -c 'vlrm-cat --from=json lines >"$1"' sh "$1"
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    one='{"id": "1", "caption": {"text": "a bus", "logp": [-1.0, -2.0]}, "reward": {"sim": 4.88, "parts": {"itm": 1}}}'
    two='{"id": "2", "caption": {"text": "a cat", "logp": [-3]}}'
    stream a "$one" "$two" '{"batch": {"index": 0, "records": 2}}'
}

@test "a stream is the same as itself, compressed or not, and with its keys in another order" {
    vlrm-cmp a a
    vlrm-cat --zstd a >z
    vlrm-cmp a z
    exits 7 vlrm-cmp --header a z
    stream b '{"reward": {"parts": {"itm": 1.0}, "sim": 4.88}, "id": "1", "caption": {"logp": [-1, -2], "text": "a bus"}}' "$two" '{"batch": {"index": 0, "records": 2}}'
    vlrm-cmp a b
}

@test "numbers within the tolerance of their field" {
    stream b "${one/-2.0/-2.00001}" "$two" '{"batch": {"index": 0, "records": 2}}'
    exits 7 vlrm-cmp a b
    [ "$output" = 'record 1: caption.logp[1]: -2.0, -2.00001' ]
    vlrm-cmp --tolerance caption.logp=1e-5 a b
    vlrm-cmp --tolerance caption=1e-5 a b
    vlrm-cmp --tolerance 1e-5 a b
    exits 7 vlrm-cmp --tolerance 1e-5 --tolerance caption.logp=1e-6 a b
    exits 7 vlrm-cmp --tolerance reward=1,caption.log=1 a b
    vlrm-cmp --ignore caption.logp a b
}

@test "what differs is named, with both values" {
    stream b "${one/a bus/a tram}" "${two/\"a cat\"/null}" '{"batch": {"index": 0, "records": 3}}'
    exits 7 vlrm-cmp a b
    says 'record 1: caption.text: "a bus", "a tram"'
    says 'record 2: caption.text: "a cat", null'
    says 'batch 0: batch.records: 2, 3'
    exits 7 vlrm-cmp --show 1 a b
    says '2 more differences'
}

@test "keys and items that only one stream has" {
    stream b "${one/\"sim\": 4.88, /}" "${two/-3/-3, -4}" '{"batch": {"index": 0, "records": 2}}'
    exits 7 vlrm-cmp a b
    says 'record 1: reward.sim: only in the first stream'
    says 'record 2: caption.logp: 1 items, 2 items'
    exits 7 vlrm-cmp b a
    says 'record 1: reward.sim: only in the second stream'
    vlrm-cmp --ignore reward.sim,caption.logp a b
}

@test "records that are missing, moved or more" {
    stream b "$two" "$one" '{"batch": {"index": 0, "records": 2}}'
    exits 7 vlrm-cmp a b
    says 'id: 1, 2'
    stream b "$one"
    exits 7 vlrm-cmp a b
    says 'after 1 records: a record, an end record'
}

@test "end records: counts and status" {
    STATUS=3 stream b '{"vlrm": 1}' '{"id": "x"}' '{"end": {"status": 3, "failed": 1}}'
    stream c '{"id": "x"}'
    exits 7 vlrm-cmp b c
    says 'end: failed: 1, 0'
    says 'end: status: 3, 0'
    vlrm-cmp b b
}

@test "a stream that is cut is status 5, also where the difference came before the cut" {
    head -c -5 a >cut.vlrm
    exits 5 vlrm-cmp a cut.vlrm
    exits 5 vlrm-cmp cut.vlrm a
    stream b "${one/a bus/a tram}" "$two"
    head -c -5 b >cut.vlrm
    exits 5 vlrm-cmp a cut.vlrm
    exits 5 vlrm-cmp a /dev/null
}

@test "wrong usage" {
    exits 2 vlrm-cmp a
    exits 2 vlrm-cmp a a a
    exits 2 vlrm-cmp --tolerance caption=x a a
    exits 1 vlrm-cmp a missing
}
