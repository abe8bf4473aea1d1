#!/bin/bash
# demo: run the whole paper on the bundled miniature, in minutes
#
# usage: vlrm demo [RUN]
#
# Draws clips of a small world of coloured shapes, reinforces the bundled captioner on them without a label (vlrm train), lets the
# captioner from before and the one from after caption scenes that neither has seen, and measures both: recall under a CLIP that
# took no part in training, and the truth, which is known here. Everything is put into the folder RUN (default: run/demo); run
# again it only shows what came out. The settings are those of pipelines/miniature.sh.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
. "$stages_folder/miniature.sh" || exit 1
recipe_name=demo

case ${1-} in
-h | --help) recipe_help "${BASH_SOURCE[0]}"; exit ;;
-*) recipe_die "unknown option $1; --help lists what there is" 2 ;;
esac
run=${1:-run/demo}
mini_check jq sqlite3 gnuplot
mkdir -p -- "$run" || recipe_die "cannot make $run"
mini_seal "$run"

echo "drawing $MINI_DEMO_TRAIN_CLIPS clips to train on and $MINI_DEMO_TEST_CLIPS with scenes that are in none of them, under $run"
mini_clips "$run/train" train "$MINI_TRAIN_SEED" "$MINI_DEMO_TRAIN_CLIPS"
mini_world "$run/test" test "$MINI_TEST_SEED" "$MINI_DEMO_TEST_CLIPS"

echo "vlrm train: $MINI_DEMO_STEPS steps of $MINI_BATCH captions from $MODELS/captioner, rewarded by $MODELS/itm"
mini_train "$run/vlrm" "$run/train" "$MINI_DEMO_STEPS" "$MINI_DEMO_EVERY" |
    jq --unbuffered -r --argjson last "$MINI_DEMO_STEPS" 'select(.step % 10 == 0 or .step == 1 or .step == $last) |
        "step \(.step): reward \(.reward.mean * 100 | round / 100), of it match \(.sim.mean * 100 | round / 100), \(.length.mean * 10 | round / 10) tokens a caption"'

echo "captions of $(vlrm-cat --count "$run/test.vlrm") held-out frames by beam search, before and after"
"$BASH" "$stages_folder/cron-eval.sh" --run "VLRM=$run/vlrm" --frames "$run/test.vlrm" --model "$MODELS/captioner" --clip "$MODELS/judge" \
    --itm "$MODELS/itm" --max-drop 2 --out "$run/page"
last=$run/page/VLRM/step-$MINI_DEMO_STEPS
for captions in "$run"/page/*/step-*.vlrm; do mini_score "$run/test" "$captions"; done
# The page once more: cron-eval made it before the truth was known.
vlrm-report "VLRM=$run/vlrm" --eval "$run/page" --frames "$run/test.vlrm" --output "$run/page/index.html"
mini_truth "$run/test" "$run/truth" --kind long

echo
mini_table "base=$run/page/base/step--1" "VLRM=$last" "truth=$run/truth"
echo '(details: said, of those there; not true: of what was said; truth: captions that say everything)'
echo
jq -rn --slurpfile before "$run/page/base/step--1.jsonl" --slurpfile after "$last.jsonl" '
    ($before | map({key: .id, value: .text}) | from_entries) as $base | $after[:60] | map(select(.text != $base[.id])) | .[:5][] |
    "\(.id | sub(".*/"; ""))\n  before: \($base[.id])\n  after:  \(.text)"'
echo
echo "Frames with captions before and after, and the metrics by step: $run/page/index.html"
