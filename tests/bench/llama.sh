#!/bin/bash
# A LLaMa as reference (vlrm-reward --ref) against transformers and torch, in the same run: tests/bench/llama.sh [SHAPE [CAPTIONS [ROUNDS [DTYPE [THREADS]]]]]
#
# SHAPE: of vlrm-weights random (llama-2-7b: 13.5 GB in 16 bits, on disk and mapped). Both sides see the same random weights and the ids of the same texts,
# CAPTIONS at once, and take turns; ours is what vlrm-reward -v says of its reference. Both find the file in the page cache. Memory is what cannot be given
# back (RssAnon, the largest seen). VLRM_ORACLE names a python with torch and transformers. Needs a machine at rest.
set -eu
shape=${1:-llama-2-7b} captions=${2:-8} rounds=${3:-3} dtype=${4:-bf16} threads=${5:-$(nproc)}
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${VLRM_ORACLE:-python3} tokenizer=$root/tests/golden/tokenizers/llama2
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" PATH=$root/bin:$PATH VLRM_THREADS=$threads OMP_NUM_THREADS=$threads
"$python" -c 'import torch, transformers' || { echo "llama.sh: $python has no torch and transformers: name one that has in VLRM_ORACLE" >&2; exit 1; }
tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/llama.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
vlrm-weights random --shape "$shape" --dtype "$dtype" --out "$tmp/model"
cp "$tokenizer"/tokenizer* "$tmp/model/"
ffmpeg -v error -f lavfi -i nullsrc=s=48x48,geq='random(1)*255:128:128' -frames:v 1 "$tmp/image.png"
text="a red circle stands on a blue square, a man in green shirt talks about a car of 1993 near the beach"
jq -nc --arg text "$text" --arg image "$tmp/image.png" --argjson n "$captions" \
    'range($n) | {id: "\(.)", frame: {path: $image}, caption: {text: "\(.) \($text)", eos: true}}' > "$tmp/captions.jsonl"
vlrm-cat --from=json "$tmp/captions.jsonl" > "$tmp/captions.vlrm"
jq -r .caption.text "$tmp/captions.jsonl" > "$tmp/texts"

# watched COMMAND...: runs it; the largest RssAnon seen, in MiB, goes to $tmp/private.
watched() {
    local most=0 now process
    "$@" &
    process=$!
    while now=$(awk '/^RssAnon:/ { print int($2 / 1024) }' "/proc/$process/status" 2>/dev/null) && [ -n "$now" ]; do
        if [ "$now" -gt "$most" ]; then most=$now; fi
        sleep 0.05
    done
    wait "$process"
    echo "$most" > "$tmp/private"
}

ours() {
    watched vlrm-reward -v --model "$root/share/tiny/captioner" --ref "$tmp/model" --no-itm --clip "$root/share/tiny/clip" --score-batch "$captions" \
        "$tmp/captions.vlrm" > "$tmp/out.vlrm" 2> "$tmp/log"
    echo "$(sed -n 's/.*, ref \([0-9.]*\), clip.*/\1/p' "$tmp/log") $(cat "$tmp/private")" >> "$tmp/ours"
    vlrm-cat "$tmp/out.vlrm" | jq 'select(.id) | .reward.ref' > "$tmp/refs"
}

peer() {
    watched "$python" "$root/tests/bench/llama_peer.py" "$tmp/model" "$tmp/texts" "$dtype" "$tmp/peer-refs" > "$tmp/seconds" 2> "$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
    echo "$(cat "$tmp/seconds") $(cat "$tmp/private")" >> "$tmp/peer"
}

cat "$tmp/model/"*.safetensors > /dev/null
for ((r = 0; r < rounds; r++)); do
    ours
    peer
done

median() { # FILE COLUMN
    awk -v c="$2" '{ print $c }' "$1" | sort -g | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'
}

lscpu | sed -n 's/^Model name: */processor: /p'
echo "$shape, $dtype, $captions captions, $threads threads, medians of $rounds"
paste "$tmp/refs" "$tmp/peer-refs" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d } END { print "mean log p of a caption: at most", most, "apart" }'
awk -v a="$(median "$tmp/ours" 1)" -v b="$(median "$tmp/peer" 1)" -v n="$captions" 'BEGIN { printf "seconds a caption  ours %.3f  torch %.3f  ratio %.2f\n", a / n, b / n, b / a }'
awk -v a="$(median "$tmp/ours" 2)" -v b="$(median "$tmp/peer" 2)" 'BEGIN { printf "private MiB        ours %d  torch %d  ratio %.2f\n", a, b, a / b }'
