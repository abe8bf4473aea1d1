#!/bin/bash
# What ranks cost: the miniature on one rank of two threads and on two ranks of one thread, seconds a step and seconds waited; and what
# two machines (network namespaces) send each other in a step, beside the least that summing the gradients takes.
#
#   tests/bench/ranks.sh [STEPS] [BATCH]
set -eu
cd "$(dirname "$0")/../.."
steps=${1:-8} batch=${2:-128}
command -v mpirun >/dev/null || { echo 'bench: SKIPPED ranks: no mpirun'; exit; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bin/vlrm-world-render --clips "$(((steps + 2) * batch / 8))" --size 64 --out "$folder/clips" 2>/dev/null
bin/vlrm corpus --out "$folder/frames" --shards 2 --jobs 2 "$folder/clips" -- --every 0.25 --max 8 2>/dev/null
train=(bin/vlrm train --model share/tiny/captioner --itm share/tiny/itm --batch "$batch" --block 32)

# row NAME RUN: the median step of a run but its first, and what each rank has waited.
row() {
    jq -rs --arg name "$1" '.[1:] | (map(.seconds.wall) | sort | .[length / 2 | floor]) as $step |
        "\($name): \($step * 1000 | round / 1000) s a step" + if .[0].ranks then ", waited by rank: \(map(.ranks.wait) | transpose | map(add / length * 1000 | round / 1000) | join(", ")) s" else "" end' \
        "$folder/$2/metrics.jsonl"
}
step_of() {
    jq -s '.[1:] | map(.seconds.wall) | sort | .[length / 2 | floor]' "$folder/$1/metrics.jsonl"
}
VLRM_THREADS=2 "${train[@]}" --max-steps "$steps" --run "$folder/one" "$folder/frames" >/dev/null 2>&1
VLRM_THREADS=1 mpirun -n 2 --bind-to none "${train[@]}" --max-steps "$steps" --run "$folder/two" "$folder/frames" >/dev/null 2>&1
row '1 rank of 2 threads' one
row '2 ranks of 1 thread' two
jq -n --argjson a "$(step_of one)" --argjson b "$(step_of two)" '"2 ranks take \($b / $a * 100 | round / 100) times as long"' -r

if ! unshare --net --mount tests/ranks/machines.sh "$folder" true 2>/dev/null; then
    echo 'bench: SKIPPED bytes between machines: the kernel gives no network namespaces here'
    exit
fi
# sent: bytes that machine m1 has sent to m2 by now.
# shellcheck disable=SC2016 # the inner shell expands it
VLRM_THREADS=1 unshare --net --mount tests/ranks/machines.sh "$folder" bash -c '
    sent() { cat /sys/class/net/v1/statistics/rx_bytes; }
    ran() { mpirun --host 10.9.0.1:1,10.9.0.2:1 -n 2 "${@:2}" --run "$1" >/dev/null 2>&1; }
    mount -t sysfs sysfs /sys
    ran "$1/a" "${@:3}" --max-steps 1; first=$(sent)
    ran "$1/b" "${@:3}" --max-steps "$((1 + $2))"; echo $(((($(sent) - first) - first) / $2))' _ "$folder" "$steps" "${train[@]}" "$folder/frames" >"$folder/sent"
parameters=$(bin/vlrm-update --model share/tiny/captioner --count 2>&1 | sed -n 's/^vlrm-update: policy: \([0-9]*\) parameters, value: \([0-9]*\)$/\1 \2/p')
awk -v sent="$(cat "$folder/sent")" -v policy="${parameters% *}" -v value="${parameters#* }" 'BEGIN {
    least = 8 * (policy + value) # 2 (n - 1) / n of the integers, n = 2
    printf "a step sends %.2f MB from machine to machine; the sum of %d gradients takes at least %.2f MB: %.2f times\n", sent / 1e6, policy + value, least / 1e6, sent / least }'
