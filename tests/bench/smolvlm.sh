#!/bin/bash
# One iteration on a SmolVLM against transformers, peft and torch, phase by phase, in the same run: tests/bench/smolvlm.sh [SHAPE [BATCH [ROUNDS [MIB [DTYPE [THREADS]]]]]]
#
# SHAPE: of vlrm-weights random (smolvlm-256m). Both sides see the same random weights, images of noise and prompts of the same length, and take turns; each
# phase's median is compared. VLRM_ORACLE names a python with torch, transformers and peft. Needs a machine at rest. Of torch and of vlrm-update a
# first step warms up and the second counts; encoding and sampling are half of what two batches took in one run, its beginning included. MIB is what
# vlrm-update may use for activations. The reward is left out: its scorers are other models. The row of CPU seconds is of all threads of
# the processes, ours with their opening; with one thread it says something on a busy machine too.
set -eu
shape=${1:-smolvlm-256m} batch=${2:-8} rounds=${3:-3} memory=${4:-512} dtype=${5:-f32} threads=${6:-$(nproc)}
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${VLRM_ORACLE:-python3} tokens=20 batches=2 fixture=$root/tests/golden/models/captioner/smolvlm
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" PATH=$root/bin:$PATH VLRM_THREADS=$threads OMP_NUM_THREADS=$threads TIMEFORMAT="%U %S"
"$python" -c 'import torch, transformers, peft' || { echo "smolvlm.sh: $python has no torch, transformers and peft: name one that has in VLRM_ORACLE" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
model=$tmp/model
vlrm-weights random --shape "$shape" --dtype "$dtype" --tokenizer "$fixture/model" --out "$model"
side_length=$(jq .vision_config.image_size "$model/config.json")
words=$(jq '.ids as $all | $all | length - ([.[] | select(. == '"$(jq .image_token_id "$model/config.json")"')] | length)' "$fixture/prompt.json")
for ((i = 0; i < batch; i++)); do
    ffmpeg -v error -f lavfi -i "nullsrc=s=${side_length}x${side_length},geq=random(1)*255:128:128" -frames:v 1 "$tmp/$i.png"
done
for ((i = 0; i < batches * batch; i++)); do
    echo "{\"id\": \"$i\", \"frame\": {\"path\": \"$tmp/$((i % batch)).png\"}}"
done | vlrm-cat --from=json > "$tmp/frames.vlrm"

# phase NAME FIGURE [BATCHES]: what was measured, of a batch.
phase() {
    [[ $2 == [0-9]* ]] || { echo "smolvlm.sh: $side has no figure for $1" >&2; exit 1; }
    awk -v name="$1" -v figure="$2" -v batches="${3:-1}" 'BEGIN { print name, figure / batches }' >> "$tmp/$side"
}

ours() {
    side=ours
    { time vlrm-rollout -v --model "$model" --sample --features --min-new-tokens $tokens --max-new-tokens $tokens --decode-batch "$batch" \
        "$tmp/frames.vlrm" > "$tmp/captions.vlrm" 2> "$tmp/log"; } 2> "$tmp/cpu"
    phase encode "$(sed -n 's/.*encode \([0-9.]*\), decode.*/\1/p' "$tmp/log")" $batches
    phase rollout "$(sed -n 's/.*decode \([0-9.]*\);.*/\1/p' "$tmp/log")" $batches
    phase rollout_memory "$(sed -n 's/.*peak memory \([0-9]*\) MiB.*/\1/p' "$tmp/log")"
    rm -rf "$tmp/run"
    vlrm-cat --bin=base64 "$tmp/captions.vlrm" | jq -c 'select(.id) | .reward = {returns: (.caption.tokens | map(. % 7))}' | vlrm-cat --from=json > "$tmp/scored.vlrm"
    { time vlrm-update --model "$model" --run "$tmp/run" --off-policy --batch "$batch" --memory "$memory" "$tmp/scored.vlrm" > "$tmp/steps" 2> "$tmp/log"; } 2>> "$tmp/cpu"
    tail -1 "$tmp/steps" > "$tmp/metrics"
    phase cpu "$(awk '{ s += $1 + $2 } END { print s }' "$tmp/cpu")" $batches
    phase values "$(jq .seconds.values "$tmp/metrics")"
    phase policy "$(jq '.seconds.policy + .seconds.encode' "$tmp/metrics")"
    phase adam "$(jq .seconds.optimizer "$tmp/metrics")"
    phase memory "$(jq .peak_memory_mib "$tmp/metrics")"
}

peer() {
    side=peer
    "$python" "$root/tests/bench/smolvlm_peer.py" "$model" --batch "$batch" --micro "$batch" --tokens $tokens --prompt-tokens "$words" --rounds 2 \
        --dtype "$(case $dtype in f32) echo float32 ;; *) echo bfloat16 ;; esac)" > "$tmp/rounds" 2> "$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
    tail -1 "$tmp/rounds" > "$tmp/round"
    for name in encode rollout values policy adam; do phase $name "$(jq ".$name" "$tmp/round")"; done
    phase cpu "$(jq .cpu "$tmp/round")"
    phase memory "$(jq .peak_mib "$tmp/round")"
    phase rollout_memory "$(jq .peak_mib "$tmp/round")"
}

for ((r = 0; r < rounds; r++)); do
    ours
    peer
done

median() { # FILE PHASE
    awk -v p="$2" '$1 == p { print $2 }' "$1" | sort -g | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'
}

lscpu | sed -n 's/^Model name: */processor: /p'
echo "$shape, $dtype, batch $batch, $tokens tokens, --memory $memory, $threads threads, medians of $rounds; seconds a batch"
printf '%-22s %10s %10s %8s\n' phase ours torch ratio
row() {
    local a=0 b=0 name
    for name in $2; do
        a=$(echo "$a + $(median "$tmp/ours" "$name")" | bc -l)
        b=$(echo "$b + $(median "$tmp/peer" "$name")" | bc -l)
    done
    awk -v n="$1" -v a="$a" -v b="$b" 'BEGIN { printf "%-22s %10.3f %10.3f %8.2f\n", n, a, b, b / a }'
}
row encoder encode
row sampling rollout
row 'values' values
row 'policy' policy
row 'Adam' adam
row 'whole iteration' 'encode rollout values policy adam'
row 'CPU seconds' cpu
row 'MiB, update' memory
row 'MiB, sampling' rollout_memory
