#!/bin/bash
# What groups and baselines cost: 8 captions of 8 images against 8 of one, with the value head and without: tests/bench/groups.sh CHECKPOINTS
#
# CHECKPOINTS is what ../shared/oracle/checkpoints.py wrote, as in step.sh. One step each, its beginning included; needs a machine at rest.
set -eu
checkpoints=${1:?usage: tests/bench/groups.sh CHECKPOINTS} captions=8 tokens=20
root=$(cd "$(dirname "$0")/../.." && pwd)
export PATH=$root/bin:$PATH
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
size=$(jq .vision_config.image_size "$checkpoints/blip2/config.json")
for ((i = 0; i < captions; i++)); do
    ffmpeg -v error -f lavfi -i "nullsrc=s=${size}x${size},geq=random(1)*255:128:128" -frames:v 1 "$tmp/$i.png" </dev/null
    echo "{\"id\": \"$i\", \"frame\": {\"path\": \"$tmp/$i.png\"}}"
done | vlrm-cat --from=json >"$tmp/frames.vlrm"

for images in $captions 1; do
    vlrm-cat --to=stream --head "$images" "$tmp/frames.vlrm" |
        vlrm-rollout -v --model "$checkpoints/blip2" --sample --num-return $((captions / images)) --features --min-new-tokens $tokens \
            --max-new-tokens $tokens >"$tmp/captions.vlrm" 2>"$tmp/log"
    sed -n "s/.*tokens\/s; /images $images, rollout: /p" "$tmp/log"
    vlrm-cat --bin=base64 "$tmp/captions.vlrm" | jq -c 'select(.id) | .reward = {returns: [.caption.tokens | to_entries[] | (.key + .value) % 7]}' |
        vlrm-cat --from=json >"$tmp/rewarded.vlrm" # rewards that mean nothing
    for baseline in value rloo; do
        rm -rf "$tmp/run"
        vlrm-update --model "$checkpoints/blip2" --run "$tmp/run" --off-policy --batch $captions --baseline $baseline "$tmp/rewarded.vlrm" |
            jq -r --arg images "$images" --arg baseline $baseline '"images \($images), update, \($baseline): \(.seconds.step) s, peak memory \(.peak_memory_mib) MiB, activations \(.activations_mib) MiB"'
    done
done
