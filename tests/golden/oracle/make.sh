#!/bin/bash
# Makes tests/golden/oracle/tiny again: a random BLIP-2, ITM and CLIP in Hugging Face's layout, and what the torch reference of
# ../shared/oracle computes with them in float64 (inputs, forward results, rewards, generated ids, five training steps).
#
#   tests/golden/oracle/make.sh PYTHON        a python with torch and transformers, see ../shared/oracle/README.md
#
# step-1 keeps the gradients, step-5 the parameters: together they say what every step before did.
set -eu
python=$1
cd "$(dirname "$0")"
oracle=../../../../shared/oracle
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=
rm -rf tiny
"$python" $oracle/checkpoints.py tiny --size tiny --seed 1
"$python" $oracle/vlrm_torch.py tiny tiny/f64 --seed 1 --dtype float64
rm -rf tiny/tokenizers tiny/f64/step-2.safetensors
"$python" - <<'EOF'
from safetensors.torch import load_file, save_file
for step, keep in ((1, lambda n: n.startswith("grad.")), (5, lambda n: not n.startswith("grad."))):
    path = f"tiny/f64/step-{step}.safetensors"
    save_file({n: t for n, t in load_file(path).items() if keep(n) or n in ("values", "advantages", "normalised", "p")}, path)
EOF
chmod -R u+rw,go+r tiny
