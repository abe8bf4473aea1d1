#!/bin/bash
# Makes tests/golden/advantages/captions.jsonl and weights.json again: rewards of captions in groups and what each scheme makes of them,
# by the reference of ../shared/oracle (README there, "Advantages").
#
#   tests/golden/advantages/make.sh PYTHON        a python with torch and transformers, see ../shared/oracle/README.md
set -eu
python=$1
cd "$(dirname "$0")"
making=$(mktemp -d)
trap 'rm -rf "$making"' EXIT
CUDA_VISIBLE_DEVICES='' "$python" ../../../../shared/oracle/families.py "$making" --family advantages --size odd --seed 1 --dtype float64
cd "$making/advantages-reference"
paste -d '\n' rewards.jsonl advantages.jsonl | jq -c -s '
    def digits: if type == "number" then . * 1e12 | round / 1e12 elif type == "array" then map(digits) else . end;
    def first($g): $g.sim + $g.ref - $g.noeos - ($g.bad + $g.repeat | add);
    _nwise(2) | (.[0] | .image = .group | del(.group)) + .[1] | .greedy = first(.greedy) | with_entries(.value |= digits)' >"$OLDPWD/captions.jsonl"
jq -c .gdpo_weights options.json >"$OLDPWD/weights.json"
