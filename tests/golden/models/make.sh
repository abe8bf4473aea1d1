#!/bin/bash
# Makes the fixtures of tests/models: random checkpoints of tiny and odd shapes in Hugging Face's layout, and the reference's results.
#
#   tests/golden/models/make.sh PYTHON ORACLE
#
# PYTHON: an interpreter with torch 2.15, transformers 5.23, safetensors, pillow < 12.2. ORACLE: the folder of checkpoints.py.
set -eu
python=$1 oracle=$2 here=$(cd "$(dirname "$0")" && pwd)
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=''
# make NAME SIZE DTYPE SEED MODELS [FLAG]: the tokenizers are left out, the tests here read ids
make() {
    rm -rf "${here:?}/$1"
    "$python" "$oracle/checkpoints.py" "$here/$1" --size "$2" --dtype "$3" --seed "$4" --models "$5" ${6:+"$6"}
    "$python" "$here/../../models/make_parity.py" "$oracle" "$here/$1" "$here/$1" --items 2 --seed "$4"
    rm -r "$here/$1/tokenizers"
    find "$here/$1" -type f ! -name config.json ! -name generation_config.json ! -name '*.safetensors' -delete
}
make tiny tiny float32 1 blip2,itm --legacy
make odd odd float16 2 blip2,itm,clip
rm -rf "$here/../../../share/doctor"
mv "$here/odd" "$here/../../../share/doctor" # which vlrm-doctor reads too
