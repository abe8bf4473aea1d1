#!/bin/bash
# One VLRM iteration against torch, phase by phase, in the same run: tests/bench/step.sh CHECKPOINTS [BATCH [ROUNDS [MIB]]]
#
# CHECKPOINTS is what ../shared/oracle/checkpoints.py wrote (blip2, itm; sizes small and full, f32 or bf16). The peer is
# ../shared/oracle/peer_step.py: Hugging Face models on torch, batched, the same number of tokens. VLRM_ORACLE names a python with
# torch and transformers. Both sides take turns; each phase's median is compared. Needs a machine at rest. MIB is what vlrm-update
# may use for activations: speed and memory are of the same run. Of torch and of vlrm-update a first step warms up and the second
# counts; encoding, sampling and scoring are a quarter of what four batches took in one run, its beginning included.
set -eu
checkpoints=${1:?usage: tests/bench/step.sh CHECKPOINTS [BATCH [ROUNDS [MIB]]]} batch=${2:-16} rounds=${3:-3} memory=${4:-512}
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${VLRM_ORACLE:-python3} tokens=20 peer=$root/../shared/oracle/peer_step.py
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" PATH=$root/bin:$PATH
[ -f "$peer" ] || { echo "step.sh: no peer to compare with: $peer is missing" >&2; exit 1; }
"$python" -c 'import torch, transformers' || { echo "step.sh: $python has no torch and transformers: name one that has in VLRM_ORACLE" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
dtype=$(vlrm-weights list "$checkpoints/blip2" | awk -F'\t' '$2 == "BF16" { b = 1 } END { print b ? "bfloat16" : "float32" }')

# Noise images of the model's size, as raw PNGs: `batches` batches of records of the same images.
batches=4
size=$(jq .vision_config.image_size "$checkpoints/blip2/config.json")
for ((i = 0; i < batch; i++)); do
    ffmpeg -v error -f lavfi -i "nullsrc=s=${size}x${size},geq=random(1)*255:128:128" -frames:v 1 "$tmp/$i.png"
done
for ((i = 0; i < batches * batch; i++)); do
    echo "{\"id\": \"$i\", \"frame\": {\"path\": \"$tmp/$((i % batch)).png\"}}"
done | vlrm-cat --from=json > "$tmp/frames.vlrm"

# phase NAME FIGURE [BATCHES]: what was measured, of a batch.
phase() {
    [[ $2 == [0-9]* ]] || { echo "step.sh: $side has no figure for $1" >&2; exit 1; }
    awk -v name="$1" -v figure="$2" -v batches="${3:-1}" 'BEGIN { print name, figure / batches }' >> "$tmp/$side"
}

ours() {
    side=ours
    vlrm-rollout -v --model "$checkpoints/blip2" --sample --features --min-new-tokens $tokens --max-new-tokens $tokens \
        --decode-batch "$batch" "$tmp/frames.vlrm" > "$tmp/captions.vlrm" 2> "$tmp/log"
    phase encode "$(sed -n 's/.*encode \([0-9.]*\), decode.*/\1/p' "$tmp/log")" $batches
    phase rollout "$(sed -n 's/.*decode \([0-9.]*\);.*/\1/p' "$tmp/log")" $batches
    vlrm-reward -v --model "$checkpoints/blip2" --itm "$checkpoints/itm" --score-batch "$batch" "$tmp/captions.vlrm" \
        > "$tmp/rewards.vlrm" 2> "$tmp/log"
    phase reward "$(sed -n 's/.*itm \([0-9.]*\), ref \([0-9.]*\),.*/\1 \2/p' "$tmp/log" | awk '{ print $1 + $2 }')" $batches
    rm -rf "$tmp/run"
    vlrm-cat --to=stream --head $((2 * batch)) "$tmp/rewards.vlrm" |
        vlrm-update --model "$checkpoints/blip2" --run "$tmp/run" --off-policy --batch "$batch" --memory "$memory" | tail -1 > "$tmp/metrics"
    phase values "$(jq .seconds.values "$tmp/metrics")"
    phase policy "$(jq .seconds.policy "$tmp/metrics")"
    phase adam "$(jq .seconds.optimizer "$tmp/metrics")"
    phase memory "$(jq .peak_memory_mib "$tmp/metrics")"
}

peer() {
    side=peer
    "$python" "$peer" "$checkpoints" --batch "$batch" --micro "$batch" --tokens $tokens --dtype "$dtype" --rounds 2 \
        > "$tmp/rounds" 2> "$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
    tail -1 "$tmp/rounds" > "$tmp/round"
    for name in encode rollout reward values policy adam; do phase $name "$(jq ".$name" "$tmp/round")"; done
    phase memory "$(jq .peak_mib "$tmp/round")"
}

for ((r = 0; r < rounds; r++)); do
    ours
    peer
done

median() { # FILE PHASE
    awk -v p="$2" '$1 == p { print $2 }' "$1" | sort -g | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'
}

lscpu | sed -n 's/^Model name: */processor: /p'
echo "$checkpoints, $dtype, batch $batch, $tokens tokens, --memory $memory, medians of $rounds"
printf '%-22s %10s %10s %8s\n' phase ours torch ratio
row() {
    local a=0 b=0 name
    for name in $2; do
        a=$(echo "$a + $(median "$tmp/ours" "$name")" | bc -l)
        b=$(echo "$b + $(median "$tmp/peer" "$name")" | bc -l)
    done
    printf '%-22s %10.3f %10.3f %8.2f\n' "$1" "$a" "$b" "$(echo "$b / $a" | bc -l)"
}
for name in encode rollout reward values policy adam; do row $name $name; done
row 'values+policy+adam' 'values policy adam'
row 'whole iteration' 'encode rollout reward values policy adam'
row 'peak memory, MiB' memory
