# A caption's fields are read in one place: what is wrong with one is said in the same words by every program that needs it.
# shellcheck disable=SC2034 # commands are named by `declare -n`

setup() {
    load common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    cd "$BATS_TEST_TMPDIR" || return
    jq -c --arg at "$ORACLE/f64/" '.frame.path |= $at + . | .reward = {returns: [.caption.tokens[] | 0.5], bad: [.caption.tokens[] | 0],
        repeat: [.caption.tokens[] | 0], sim: 1, noeos: 0}' "$ORACLE/f64/captions.jsonl" | head -2 >good
}

# with FILTER: the stream of two records, the first one's caption changed.
with() {
    jq -c "if .id == \"0000\" then .caption |= ($1) else . end" good | vlrm-cat --from=json
}

# fails SAID COMMAND...: the first record alone fails, with these words.
fails() {
    rm -rf run
    exits 3 bash -c '"$@" 2>&1 >/dev/null <changed' - "${@:2}"
    says "record 0000: $1"
    no grep -q 'record 0001' <<<"$output"
}

@test "a field of another kind is named by every program that reads it" {
    explain=(vlrm-explain --model "$ORACLE/blip2")
    reward=(vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" --no-ref)
    eval=(vlrm-eval --clip "$ORACLE/clip" --no-references --allow-failed)
    update=(vlrm-update --model "$ORACLE/blip2" --off-policy --batch 2 --run run)
    with '.tokens = "none"' >changed
    for program in explain reward eval update; do
        declare -n command=$program
        fails 'caption.tokens is not an array of integers' "${command[@]}"
    done
    with '.text = 5' >changed
    for program in explain reward eval; do
        declare -n command=$program
        fails 'caption.text is not a string' "${command[@]}"
    done
    with '.eos = "yes"' >changed
    for program in eval update; do
        declare -n command=$program
        fails 'caption.eos is neither true nor false' "${command[@]}"
    done
    with 'del(.tokens)' >changed
    for program in explain update; do
        declare -n command=$program
        fails 'caption.tokens is missing' "${command[@]}"
    done
    with '.logp = [.tokens[1:][] | -1]' >changed
    fails 'caption.logp has ' "${update[@]}"
}
