#!/bin/bash
# The models against the reference on fresh random checkpoints: other seeds, sizes, storage types and layouts than the fixtures.
# Needs a python with torch, transformers, safetensors and pillow (VLRM_ORACLE) and the reference's scripts in ../shared/oracle.
#
#   VLRM_ORACLE=~/oracle/bin/python tests/models/parity.sh [SEED...]
cd "$(dirname "$0")/../.." || exit 1
python=${VLRM_ORACLE:-} oracle=../shared/oracle
if [ -z "$python" ] || [ ! -f "$oracle/checkpoints.py" ]; then
    echo "SKIPPED: parity with the reference needs VLRM_ORACLE (a python with torch) and $oracle" >&2
    exit 77
fi
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=''
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- 11 12
failed=0
# scorers SEED FAMILY TEST MAKE [ARGUMENT]: such a checkpoint in both sizes, made by tests/models/MAKE, compared by TEST.
scorers() {
    for size in tiny odd; do
        rm -rf "$work/c"
        if ! "$python" tests/models/pillow_only.py "$oracle/families.py" "$work/c" --family "$2" --size "$size" --seed "$1" --dtype float64 >"$work/log" 2>&1 ||
            ! "$python" "tests/models/$4" "$work/c" "$work/c" made "${@:5}" >"$work/log" 2>&1; then
            cat "$work/log"
            exit 1
        fi
        for variant in release double; do
            if VLRM_SCORER_PARITY=$work/c/made "build/$variant/tests/models/$3" >"$work/log" 2>&1; then
                echo "ok: $variant, seed $1, $2 $size"
            else
                echo "FAILED: $variant, seed $1, $2 $size"
                cat "$work/log"
                failed=1
            fi
        done
    done
}
for seed; do
    scorers "$seed" clip-openai test_scorer make_clip.py
    scorers "$seed" siglip test_scorer make_siglip.py tokenizer.json
    scorers "$seed" siglip test_scorer make_siglip.py spiece.model
    scorers "$seed" blip-itm test_matcher make_blip_itm.py
    for layout in "tiny float32 --legacy" "odd float32" "odd bfloat16" "odd float16 --legacy"; do
        read -r size dtype legacy <<<"$layout"
        rm -rf "$work/c"
        if ! "$python" "$oracle/checkpoints.py" "$work/c" --size "$size" --seed "$seed" --dtype "$dtype" ${legacy:+"$legacy"} >"$work/log" 2>&1 ||
            ! "$python" tests/models/make_parity.py "$oracle" "$work/c" "$work/c" --items 6 --seed "$seed" >"$work/log" 2>&1; then
            cat "$work/log"
            exit 1
        fi
        for variant in release double; do
            if VLRM_PARITY=$work/c "build/$variant/tests/models/test_parity" >"$work/log" 2>&1; then
                echo "ok: $variant, seed $seed, $layout"
            else
                echo "FAILED: $variant, seed $seed, $layout"
                cat "$work/log"
                failed=1
            fi
        done
    done
done
exit $failed
