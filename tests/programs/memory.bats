#!/usr/bin/env bats
# No memory, and models that change under a program: each ends at once, says why, and with the status that says so.

setup() {
    load oracle
    oracle_setup
    captions > "$TMP/in.vlrm"
}

# limited KIB COMMAND...: with so much address space. timeout's 124 would be a hang, above 128 a signal.
limited() {
    (ulimit -v "$1"; shift; exec timeout -k 1 30 "$@" > "$TMP/out" 2> "$TMP/said")
}

# ends_well KIB COMMAND...: right, or 8 with the reason; what the loader or a library refuses before main is theirs to say.
ends_well() {
    local status=0
    limited "$@" || status=$?
    case $status in
    0) echo right >> "$TMP/ends" ;;
    8) grep -q 'vlrm.*: out of memory' "$TMP/said" && echo none >> "$TMP/ends" ;;
    *) [ -s "$TMP/said" ] && [ "$status" -lt 128 ] && [ "$status" != 124 ] ;;
    esac || { echo "$*: status $status"; cat "$TMP/said"; return 1; }
}

@test "whatever the limit, a program that lacks memory says so and ends" {
    for kib in 50000 60000 80000 100000 130000 160000 200000 250000 300000 350000 400000 500000 1000000; do
        ends_well "$kib" vlrm-rollout --model "$ORACLE/blip2" --greedy --max-new-tokens 4 --threads 3 "$TMP/in.vlrm"
        ends_well "$kib" vlrm-extract --jobs 1 images/0000.png
        ends_well "$kib" vlrm-cat "$TMP/in.vlrm"
    done
    grep -q right "$TMP/ends"
    grep -q none "$TMP/ends"
}

@test "a model that is cut short while it is in use ends the program, which names it" {
    cp -r "$ORACLE/blip2" "$TMP/blip2"
    mkfifo "$TMP/pipe"
    vlrm-rollout --model "$TMP/blip2" --greedy --max-new-tokens 4 "$TMP/pipe" > "$TMP/out" 2> "$TMP/said" &
    local rollout=$! hold
    exec {hold}> "$TMP/pipe"
    eventually 60 grep -q blip2/model.safetensors "/proc/$rollout/maps"
    truncate -s 5000 "$TMP/blip2/model.safetensors"
    cat "$TMP/in.vlrm" >&"$hold" || echo "it ended before it had read all"
    exec {hold}>&-
    local status=0
    wait "$rollout" || status=$?
    [ "$status" = 5 ]
    grep -qF "vlrm-rollout: $TMP/blip2/model.safetensors: was cut short" "$TMP/said"
}
