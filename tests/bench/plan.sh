#!/bin/bash
# Seconds of a step as vlrm plan foresees them, beside what the stages take, as a ratio each: by processor seconds of one thread, and by the
# clock of all threads, which says something on a machine at rest alone. What a batch takes is half of what two more took, reading and
# writing included; of the update it is what its own metrics say of the last of three steps, for a policy that is published is no
# computing. Plans and runs take turns, and of each the least of ROUNDS counts. Captions have TOKENS tokens, a step BATCH of them.
#
#     tests/bench/plan.sh [MODEL ITM [BATCH [TOKENS [ROUNDS]]]]     share/tiny's, 64, 40, 5
set -eu
cd "$(dirname "$0")/../.."
PATH=$PWD/bin:$PATH
model=${1:-share/tiny/captioner} itm=${2:-share/tiny/itm} batch=${3:-64} tokens=${4:-40} rounds=${5:-5}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
lengths=(--min-new-tokens "$tokens" --max-new-tokens "$tokens")
vlrm-world-render --seed 3 --split train --clips $((batch + 20)) --size 96 --out "$folder/clips" 2>/dev/null
vlrm-extract --max 4 "$folder/clips" 2>/dev/null | vlrm-cat --head $((3 * batch)) --to=stream >"$folder/frames-3"
vlrm-cat --head "$batch" --to=stream "$folder/frames-3" >"$folder/frames-1"

# used OUT COMMAND...: processor seconds of a command that writes to OUT, and those of the clock.
used() {
    python3 - "$@" <<'USED'
import resource, subprocess, sys, time
start = time.monotonic()
subprocess.run(sys.argv[2:], check=True, stdout=open(sys.argv[1], "wb"), stderr=subprocess.DEVNULL)
wall = time.monotonic() - start
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{u.ru_utime + u.ru_stime:.3f} {wall:.3f}")
USED
}

# round THREADS: a line "THREADS STAGE PLANNED CPU-1 CLOCK-1 CPU-3 CLOCK-3" for each stage. Images that rollout's features do not save ITM are planned
# for, too.
round() {
    export VLRM_THREADS=$1
    local n stage encoder=0
    declare -A took
    rm -rf "$folder/run"
    for n in 1 3; do
        took[rollout]+=" $(used "$folder/captions-$n" vlrm-rollout --sample --features "${lengths[@]}" --model "$model" "$folder/frames-$n")"
        took[reward]+=" $(used "$folder/rewarded-$n" vlrm-reward --model "$model" --itm "$itm" "$folder/captions-$n")"
    done
    vlrm-update --model "$model" --run "$folder/run" --off-policy --batch "$batch" "$folder/rewarded-3" >/dev/null 2>&1
    took[update]=" $(tail -n 1 "$folder/run/metrics.jsonl" | jq -r '.seconds.step * 2 | "0 0 \(.) \(.)"')"
    vlrm plan --model "$model" --itm "$itm" --batch "$batch" "${lengths[@]}" --json >"$folder/plan" 2>/dev/null
    vlrm-reward -v --model "$model" --itm "$itm" "$folder/captions-1" 2>&1 >/dev/null | grep -q ' 0 images encoded' || encoder=1
    for stage in rollout reward update; do
        echo "$1 $stage $(jq --argjson own $encoder ".seconds[\"$stage\"] + (if \"$stage\" == \"reward\" then \$own * .seconds[\"reward, own encoder\"] else 0 end)" "$folder/plan")${took[$stage]}"
    done
}

for ((i = 0; i < rounds; i++)); do
    round 1
    round "$(nproc)"
done | awk '
    function least(name, value) { if (!(name in low) || value < low[name]) low[name] = value }
    {k = $1 " " $2; threads[$1]; stages[$2]; least(k " planned", $3); least(k " cpu1", $4); least(k " clock1", $5); least(k " cpu3", $6); least(k " clock3", $7)}
    END {
        for (t in threads) {
            all = planned = 0; what = t == 1 ? "cpu" : "clock"
            for (s in stages) {
                k = t " " s; took = (low[k " " what 3] - low[k " " what 1]) / 2; all += took; planned += low[k " planned"]
                printf "%d threads, %s, %s: planned %.3f s, took %.3f s, ratio %.2f\n", t, what, s, low[k " planned"], took, low[k " planned"] / took
            }
            printf "%d threads, %s, step: planned %.3f s, took %.3f s, ratio %.2f\n", t, what, planned, all, planned / all
        }
    }'
