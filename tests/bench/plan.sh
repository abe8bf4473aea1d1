#!/bin/bash
# Seconds of a step as vlrm plan foresees them, beside what the stages take, as a ratio each: of one thread, so that whoever else is at
# work on the machine does not count; processor seconds of five batches less those of one, reading and writing included. Captions
# have TOKENS tokens, a step BATCH of them.
#
#     tests/bench/plan.sh [MODEL ITM [BATCH [TOKENS]]]     share/tiny's, 64, 40
set -eu
cd "$(dirname "$0")/../.."
PATH=$PWD/bin:$PATH
export VLRM_THREADS=1
model=${1:-share/tiny/captioner} itm=${2:-share/tiny/itm} batch=${3:-64} tokens=${4:-40}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
lengths=(--min-new-tokens "$tokens" --max-new-tokens "$tokens")
vlrm-world-render --seed 3 --split train --clips $((2 * batch + 20)) --size 96 --out "$folder/clips" 2>/dev/null
vlrm-extract --max 4 "$folder/clips" 2>/dev/null | vlrm-cat --head $((5 * batch)) --to=stream >"$folder/frames-5"
vlrm-cat --head "$batch" --to=stream "$folder/frames-5" >"$folder/frames-1"
vlrm plan --model "$model" --itm "$itm" --batch "$batch" "${lengths[@]}" --json >"$folder/plan" 2>/dev/null

# used OUT COMMAND...: processor seconds of a command that writes to OUT.
used() {
    python3 - "$@" <<'USED'
import resource, subprocess, sys
subprocess.run(sys.argv[2:], check=True, stdout=open(sys.argv[1], "wb"), stderr=subprocess.DEVNULL)
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{u.ru_utime + u.ru_stime:.3f}")
USED
}
for n in 1 5; do
    used "$folder/captions-$n" vlrm-rollout --sample --features "${lengths[@]}" --model "$model" "$folder/frames-$n" >"$folder/rollout-$n"
    used "$folder/rewarded-$n" vlrm-reward --model "$model" --itm "$itm" "$folder/captions-$n" >"$folder/reward-$n"
    used /dev/null vlrm-update --model "$model" --run "$folder/run-$n" --off-policy --batch "$batch" "$folder/rewarded-$n" >"$folder/update-$n"
done
planned() { jq -r ".seconds[\"$1\"]" "$folder/plan"; }
for stage in rollout reward update; do
    echo "$stage $(planned "$stage") $(cat "$folder/$stage-1") $(cat "$folder/$stage-5")"
done | awk '{took = ($4 - $3) / 4; planned += $2; all += took; printf "%s: planned %.3f s, took %.3f s, ratio %.2f\n", $1, $2, took, $2 / took}
    END {printf "step: planned %.3f s, took %.3f s, ratio %.2f\n", planned, all, planned / all}'
