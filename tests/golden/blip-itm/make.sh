#!/bin/bash
# Makes BLIP's matching models of tests/models/test_matcher.c, and what transformers computes of them.
#
#   tests/golden/blip-itm/make.sh PYTHON ORACLE
#
# PYTHON: an interpreter with torch 2.15, transformers 5.23, safetensors, pillow < 12.2. ORACLE: the folder of families.py.
set -eu
python=$1 oracle=$2 here=$(cd "$(dirname "$0")" && pwd)
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=''
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kind in tiny: odd:F16; do
    size=${kind%:*} half=${kind#*:}
    "$python" "$here/../../models/pillow_only.py" "$oracle/families.py" "$work/$size" --family blip-itm --size "$size" --dtype float64
    rm -rf "${here:?}/$size"
    "$python" "$here/../../models/make_blip_itm.py" "$work/$size" "$here" "$size" ${half:+"$half"}
done
