#!/bin/bash
# Makes the SigLIPs of tests/models/test_scorer.c, and what transformers computes of them; and what their tokenizers make of hard strings.
#
#   tests/golden/siglip/make.sh PYTHON ORACLE
#
# PYTHON: an interpreter with torch 2.15, transformers 5.23, sentencepiece, safetensors, pillow < 12.2. ORACLE: the folder of families.py.
set -eu
python=$1 oracle=$2 here=$(cd "$(dirname "$0")" && pwd)
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=''
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kind in "tiny tokenizer.json" "odd spiece.model F16"; do
    read -r size tokenizer half <<<"$kind"
    "$python" "$here/../../models/pillow_only.py" "$oracle/families.py" "$work/$size" --family siglip --size "$size" --dtype float64
    rm -rf "${here:?}/$size"
    "$python" "$here/../../models/make_siglip.py" "$work/$size" "$here" "$size" "$tokenizer" ${half:+"$half"}
done
"$python" "$here/../../models/make_siglip2.py" "$oracle" "$here/v2" "$work/siglip2"
mkdir "$work/siglip" && cp "$here/tiny/tokenizer.json" "$work/siglip"
"$python" "$here/../make_tokenizers_families.py" "siglip=$work/siglip" "siglip2=$work/siglip2" --out "$work/tokens"
"$python" "$here/make_bytes.py" "$oracle" "$work/bytes"
"$python" "$here/../make_tokenizers_families.py" "siglip-bytes=$work/bytes" --strings 10
mv "$work/tokens"/siglip.jsonl "$work/tokens"/siglip2.jsonl "$here/../tokenizers"
