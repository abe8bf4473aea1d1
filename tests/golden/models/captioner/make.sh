#!/bin/bash
# Makes the fixtures of tests/models/test_captioner.c and tests/models/captioners.bats: random captioners of other families than BLIP-2 in
# Hugging Face's layout, and what the reference makes of two images.
#
#   tests/golden/models/captioner/make.sh PYTHON ORACLE [SEED]
#
# PYTHON: an interpreter with torch 2.15, transformers 5.23, safetensors, tokenizers, sentencepiece, pillow < 12.2. ORACLE: the folder of families.py.
set -eu
python=$1 oracle=$2 seed=${3:-1} here=$(cd "$(dirname "$0")" && pwd)
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=''
# make NAME FAMILY SIZE
make() {
    "$python" "$here/../../../models/pillow_only.py" "$here/../../../models/make_captioner.py" "$oracle" "$here/$1" --family "$2" --size "$3" --seed "$seed"
}
make smolvlm smolvlm tiny
make smolvlm-odd smolvlm odd
make llava llava tiny
make instructblip instructblip tiny
make joycaption joycaption tiny
"$python" "$here/../../../models/pillow_only.py" "$here/../../../models/make_tiles.py" "$oracle" "$here/smolvlm" "$here/smolvlm/tiles"
"$python" "$here/../../../models/pillow_only.py" "$here/../../../models/make_ends.py" "$oracle" "$here/llava" "$here/llava/ends.jsonl"
make blip blip tiny
