# Whoever read a program's output is gone (head, a pager that was left): every program ends quietly, with status 141.
# bats file_tags=asan

setup() {
    load oracle
    oracle_setup
    small=$ORACLE/blip2
    rewarded | vlrm-reward --recombine --model "$small" > "$TMP/rewarded.vlrm"
    captions > "$TMP/captions.vlrm"
}

# unread COMMAND...: runs it with a stdout that nobody reads; `status` as a shell shows it, what it said is `output`.
unread() {
    exits 141 python3 -c 'import os, subprocess, sys
r, w = os.pipe()
os.close(r)
p = subprocess.run(sys.argv[1:], stdout=w, stdin=subprocess.DEVNULL)
sys.exit(p.returncode if p.returncode >= 0 else 128 - p.returncode)' "$@"
    [ -z "$output" ] || { echo "$1 said: $output"; return 1; }
}

@test "programs that write a stream, or lines" {
    unread vlrm-extract images
    unread vlrm-rollout --model "$small" --greedy --max-new-tokens 2 "$TMP/captions.vlrm"
    unread vlrm-reward --recombine --model "$small" "$TMP/rewarded.vlrm"
    unread vlrm-cat "$TMP/rewarded.vlrm"
    unread vlrm-cat --to=stream "$TMP/rewarded.vlrm"
    unread vlrm-cat --count "$TMP/rewarded.vlrm"
    unread vlrm-explain --model "$small" "$TMP/rewarded.vlrm"
    unread vlrm-diff "$TMP/rewarded.vlrm" "$TMP/rewarded.vlrm"
    unread vlrm-cmp "$TMP/rewarded.vlrm" "$TMP/captions.vlrm"
    unread vlrm-weights list "$small"
    unread vlrm-eval --clip "$ORACLE/clip" "$TMP/captions.vlrm"
    printf '"a car"\n"a bus"\n' > "$TMP/texts"
    unread vlrm-tokenize "$small" "$TMP/texts"
}

@test "programs of the small world" {
    vlrm-world-render --seed 4 --split test --clips 1 --size 32 --out "$TMP/clips"
    vlrm-extract "$TMP/clips"/*.mp4 > "$TMP/frames.vlrm"
    unread vlrm-world-captions --truth "$TMP/clips" "$TMP/frames.vlrm"
    vlrm-world-captions --truth "$TMP/clips" "$TMP/frames.vlrm" > "$TMP/said.vlrm"
    unread vlrm-world-score --truth "$TMP/clips" "$TMP/said.vlrm"
}

@test "every program's help" {
    local program n=0
    for program in "$BIN"/vlrm-*; do
        unread "$program" --help
        unread "$program" --help-options
        n=$((n + 1))
    done
    [ "$n" -ge 15 ]
}

@test "a training whose metrics nobody reads keeps the step that it took" {
    unread vlrm-update --model "$small" --off-policy --batch 6 --run "$TMP/run" --record "$TMP/record.vlrm" --value-head linear "$TMP/rewarded.vlrm"
    [ "$(readlink "$TMP/run/policy/latest")" = step-000001 ]
    [ "$(wc -l < "$TMP/run/metrics.jsonl")" = 1 ]
    [ "$(vlrm-cat --count "$TMP/record.vlrm")" = 6 ]
}
