# shellcheck shell=bash disable=SC2154,SC2034,SC2016 # bats' variables; those that tests use; JSON has dollars
# What tests of pages share: load it after common. Runs, streams and evaluations made by hand, and a browser to look at the pages.

# browse COMMANDS: does them (browser.py says which) and leaves the values of `eval` in $answers, a line each. A page that writes an
# error to its console fails the test. Without Chromium the test is skipped; in continuous integration it must be there.
browse() {
    if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then
        [ -z "${CI-}" ] || { echo 'no chromium: packages.txt names it'; return 1; }
        skip 'no chromium: no page was opened'
    fi
    python3 "$ROOT/tests/pages/browser.py" <<<"$1" >answers 2>faults || { cat answers faults; return 1; }
    mapfile -t answers <answers
}

# answers_are TEXT...: what `eval` gave, in turn.
answers_are() {
    local i=0 expected
    for expected; do
        [ "${answers[i]}" = "$expected" ] || { printf 'answer %d is %s, expected %s\n' $((i + 1)) "${answers[i]}" "$expected"; return 1; }
        i=$((i + 1))
    done
}

# not_blank FILE: a picture of a page with something on it.
not_blank() {
    local colours
    colours=$(identify -format '%k' "$1")
    [ "$colours" -gt 20 ] || { echo "$1 has $colours colours"; return 1; }
}

# png WORD: a small picture that differs from word to word, as base64.
png() {
    convert -size 32x24 "plasma:#$(md5sum <<<"$1" | cut -c1-6)-#$(md5sum <<<"x$1" | cut -c1-6)" png:- | base64 -w 0
}

# frames_make N: N records of frames as JSON lines, into frames.jsonl.
frames_make() {
    local i
    for ((i = 0; i < $1; i++)); do
        printf '{"id":"f%d","frame":{"encoding":"png","image":{"$bin":"%s"}}}\n' "$i" "$(png "$i")"
    done >frames.jsonl
}

# said STEP SUFFIX: the frames with captions of that step: captions that a browser would take for markup among them.
said() {
    jq -c --argjson step "$1" '. + {caption: {text: "\(.id[1:] | tonumber | ["a red bus", "<script>alert(1)</script>", "a dog & <b>cat</b>"][. % 3]) at \($step)"}}' frames.jsonl
}

# run_make RUN STEPS: a run folder of that many steps, with evaluations of frames.jsonl at steps -1, 0, 2 and 4.
run_make() {
    local run=$1 step folder
    mkdir -p "$run/policy" "$run/eval/base" "$run/eval/$run"
    jq -n --arg run "$run" '{run: $run, model: "nowhere", "learning-rate": 0.0001, version: "0.1.0", digests: {base: "0123456789abcdef"},
        upstream: {vlrm: 1, stage: "reward", version: "0.1.0", params: {gamma: 1}, inputs: [{role: "itm", digest: "fedcba9876543210"}]}}' >"$run/config.json"
    jq -n --arg run "$run" '{run: $run, "learning-rate": "1e-4", sources: ["videos", "</script><script>alert(2)</script>"]}' >"$run/train.json"
    jq -nc --argjson n "$2" 'range(1; $n + 1) | {step: ., batch: (. - 1), captions: 8, tokens: 80, reward: {mean: (. * 0.1), std: 1}, sim: {mean: ., std: 1},
        value_loss: (1 / .), explained_variance: 0.5, entropy: 1.2, length: {mean: 10, std: 2}, bad_rate: 0.1, repeat_rate: 0.2, learning_rate: 0.0001,
        grad_norm: {policy: 0.1, value: 2}, seconds: {encode: 0.1, step: 0.5}, new_measure: .}' >"$run/metrics.jsonl"
    for step in -1 0 2 4; do
        folder=$run/eval/$run
        [ "$step" != -1 ] || folder=$run/eval/base
        said "$step" | vlrm-cat --from=json >"$folder/step-$step.vlrm"
        said "$step" | jq -c --argjson step "$step" '{id, image: "00", text: .caption.text, rank: (5 - $step), clipscore: (0.5 + $step / 10)}' >"$folder/step-$step.jsonl"
        jq -n --argjson step "$step" '(0.5 + $step / 10) as $m | {vlrm: 1, runs: [{captions: 6, metrics: {"r@1": {mean: $m, low: ($m - 0.1), high: ($m + 0.1)}}}]}' >"$folder/step-$step.json"
        echo '{"captions": 6, "detail_recall": 0.5, "grammar": 1}' >"$folder/step-$step.truth.json"
    done
}
