#!/bin/bash
# Makes the fixtures of tests/models/test_scorer.c: CLIPs of every kind that is read, and what those who publish them compute.
#
#   tests/golden/clip/make.sh PYTHON ORACLE
#
# PYTHON: an interpreter with torch 2.15, transformers 5.23, open_clip_torch 3.3, safetensors, pillow < 12.2. ORACLE: the folder of families.py.
set -eu
python=$1 oracle=$2 here=$(cd "$(dirname "$0")" && pwd)
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=''
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# OpenAI's layout before hidden_act was written, eos_token_id 2, 77 positions; and Long-CLIP's 248 with the true eos.
for size in tiny odd; do
    "$python" "$here/../../models/pillow_only.py" "$oracle/families.py" "$work/$size" --family clip-openai --size $size --dtype float64
done
make() {
    rm -rf "${here:?}/${!#}"
    "$python" "$here/../../models/make_clip.py" "${@:1:$#-1}" "$here" "${!#}"
}
make "$work/tiny" openai
make "$work/odd" long
make --open-clip safetensors --quick-gelu "$work/tiny" open-clip
make --open-clip bin --custom-text "$work/tiny" open-clip-text
