#!/bin/bash
# premise: check whether the scorers of the miniature know what the paper takes for granted
#
# usage: vlrm premise [RUN]
#
# On scenes that no model was trained on: the share in which the ITM scorer gives the longer true caption the higher reward, the
# share in which it prefers the truth over the same caption with one word falsified (and over two details exchanged), and the
# recall of long true captions under the judge. Prints one JSON object, which also lies in RUN/premise.json (default RUN:
# run/premise). Exit status 7, and a line for each, when a share is below what reinforcement needs: 0.90, 0.95, and R@1 0.95.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
. "$stages_folder/miniature.sh" || exit 1
recipe_name=premise

case ${1-} in
-h | --help) recipe_help "${BASH_SOURCE[0]}"; exit ;;
-*) recipe_die "unknown option $1; --help lists what there is" 2 ;;
esac
run=${1:-run/premise}
mini_check jq
mkdir -p -- "$run" || recipe_die "cannot make $run"
mini_seal "$run"
mini_world "$run/scenes" test "$MINI_PREMISE_SEED" $((MINI_PREMISE_FRAMES / 3 + 1)) "$MINI_PREMISE_FRAMES"

# rewards NAME OPTIONS...: what vlrm-reward makes of captions of a kind, as {id, text, sim, punished} a line.
rewards() {
    mini_truth "$run/scenes" "$run/$1" "${@:2}"
    [ ! -e "$run/$1.rewards.jsonl" ] || return 0
    local writing
    writing=$(recipe_temporary "$run/$1.rewards.jsonl")
    vlrm-reward --no-ref --model "$MODELS/captioner" --itm "$MODELS/itm" "$run/$1.vlrm" | vlrm-cat |
        jq -c 'select(.id) | {id, text: .caption.text, sim: .reward.sim, punished: (.reward.bad + .reward.repeat | add > 0)}' >"$writing"
    mv -- "$writing" "$run/$1.rewards.jsonl"
}
rewards long --kind long
rewards short --kind short
rewards false --kind long --falsify
rewards false-short --kind short --falsify
rewards exchanged --kind long --exchange

writing=$(recipe_temporary "$run/premise.json")
jq -n --arg models "$MODELS" --slurpfile long "$run/long.rewards.jsonl" --slurpfile short "$run/short.rewards.jsonl" \
    --slurpfile falsified "$run/false.rewards.jsonl" --slurpfile false_short "$run/false-short.rewards.jsonl" \
    --slurpfile exchanged "$run/exchanged.rewards.jsonl" --slurpfile judge_long "$run/long.json" --slurpfile judge_short "$run/short.json" '
    def share(f): if length > 0 then map(if f then 1 else 0 end) | add / length else null end;
    def mean(f): map(f) | add / length;
    def against($b): (map({key: .id, value: .sim}) | from_entries) as $a | [$b[] | {better: $a[.id], worse: .sim}];
    {models: $models, scenes: ($long | length),
     longer_preferred: ($long | against($short) | share(.better > .worse)),
     truth_preferred: ($long | against($falsified) | share(.better > .worse)),
     short_truth_preferred: ($short | against($false_short) | share(.better > .worse)),
     exchange_refused: ($long | against($exchanged) | share(.better > .worse)),
     "judge_r@1": $judge_long[0].runs[0].metrics["r@1"].mean,
     "judge_r@1_short": $judge_short[0].runs[0].metrics["r@1"].mean,
     itm: {long: ($long | mean(.sim)), short: ($short | mean(.sim)), falsified: ($falsified | mean(.sim))},
     long_truths_punished: ($long | share(.punished))}' >"$writing"
mv -- "$writing" "$run/premise.json"
cat "$run/premise.json"
failures=$(jq -r '. as $found | {longer_preferred: 0.90, truth_preferred: 0.95, "judge_r@1": 0.95} | to_entries[] |
    select(.value > $found[.key]) | "vlrm premise: \(.key) is \($found[.key]), expected at least \(.value)"' "$run/premise.json")
[ -z "$failures" ] || { printf '%s\n' "$failures" >&2; exit 7; }
