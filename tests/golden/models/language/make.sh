#!/bin/bash
# Makes the fixtures of tests/models/test_language.c: random LLaMas in Hugging Face's layout and what the reference makes of texts.
#
#   tests/golden/models/language/make.sh PYTHON ORACLE [SEED]
#
# PYTHON: an interpreter with torch 2.15, transformers 5.23, safetensors, tokenizers, sentencepiece. ORACLE: the folder of families.py.
set -eu
python=$1 oracle=$2 seed=${3:-1} here=$(cd "$(dirname "$0")" && pwd)
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=''
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for size in tiny odd; do
    (cd "$oracle" && "$python" families.py "$work/$size" --family llama --size "$size" --seed "$seed" --dtype float64)
done
rm -rf "${here:?}/llama" "${here:?}/llama-grouped"
"$python" "$here/../../../models/make_language.py" "$work/tiny/llama" "$here/llama"
"$python" "$here/../../../models/make_language.py" "$work/odd/llama" "$here/llama-grouped"
