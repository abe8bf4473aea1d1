#!/bin/bash
# vlrm-update against the reference on fresh random checkpoints: five steps with other seeds, dimensions and options than the fixtures
# have. Values, advantages, p, every gradient and parameter: 1e-4 in f32, 1e-9 in the double build. Needs what parity.sh needs.
#
#   VLRM_ORACLE=~/oracle/bin/python tests/models/parity-steps.sh [SEED...]
cd "$(dirname "$0")/../.." || exit 1
python=${VLRM_ORACLE:-} root=$PWD oracle=$PWD/../shared/oracle
if [ -z "$python" ] || [ ! -f "$oracle/vlrm_torch.py" ]; then
    echo "SKIPPED: parity with the reference needs VLRM_ORACLE (a python with torch) and $oracle" >&2
    exit 77
fi
export HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES='' VLRM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- 31
failed=0

# quietly COMMAND...: what it says is shown when it fails, which ends the script.
quietly() {
    "$@" >"$work/log" 2>&1 || { tail -5 "$work/log"; exit 1; }
}

# reference NAME RETURNS OPTION...: its steps into $work/NAME, and their input for vlrm-update. The name is that of the test, too.
reference() {
    name=$1 out=$work/$1
    quietly "$python" "$oracle/vlrm_torch.py" "$work/c" "$out" --seed "$((seed + 1))" --batch 5 --steps 5 --max-tokens 9 --dtype float64 \
        --learning-rate 1e-3 --warmup-steps 2 "${@:3}"
    (cd "$out" && jq -c -n --arg field "$2" --slurpfile r rewards.jsonl '($r | map({(.id): .reward[$field]}) | add) as $by |
        inputs | . + {reward: {returns: $by[.id]}}' captions.jsonl) | bin/vlrm-cat --from=json >"$out/in.vlrm"
}

# update VARIANT INIT OPTION...: the same steps by vlrm-update, into $out/VARIANT.
update() {
    rm -rf "${out:?}/run" "${out:?}/$1"
    (cd "$out" && quietly "$root/build/$1/bin/vlrm-update" --model "$work/c/blip2" --off-policy --batch 5 --learning-rate 1e-3 --warmup-steps 2 \
        --run run --init "$2" --dump "$1" "${@:3}" in.vlrm)
}

# judge VARIANT COMMAND...: says how the comparison came out.
judge() {
    if "${@:2}" >"$work/log" 2>&1; then
        echo "ok: $1, seed $seed, $name: $(tail -1 "$work/log")"
    else
        echo "FAILED: $1, seed $seed, $name"
        grep -v '^Loading' "$work/log"
        failed=1
    fi
}

# same OPTION...: both builds, with these options, against the steps of the reference.
same() {
    local variant tolerance step
    while read -r variant tolerance; do
        update "$variant" init.safetensors "$@"
        for step in 1 2 5; do
            judge "$variant, step $step" python3 tests/programs/compare_safetensors.py "$out/$variant/step-$step.safetensors" \
                "$out/step-$step.safetensors" --tolerance "$tolerance" --skip '(key|k_proj)\.bias$'
        done
    done <<<$'release 1e-4\ndouble 1e-9'
}

# adapters OPTION...: every part trained at once, the policy's own adapters among them.
adapters() {
    local variant tolerance
    name="$name, every part"
    quietly "$python" tests/models/parity_adapters.py "$oracle" "$work/c" "$out" prepare
    while read -r variant tolerance; do
        update "$variant" everything.safetensors --train query,qformer,projection,lora-vision,lora-llm "$@"
        judge "$variant" "$python" tests/models/parity_adapters.py "$oracle" "$work/c" "$out" check "$out/$variant" "$tolerance"
    done <<<$'release 1e-4\ndouble 1e-9'
}

for seed; do
    rm -rf "$work/c"
    quietly "$python" "$oracle/checkpoints.py" "$work/c" --size odd --seed "$seed"
    reference default returns
    same
    linear=(--value-head linear --lora-rank 3 --lora-alpha 5)
    reference "linear head, rank 3" returns "${linear[@]}"
    same "${linear[@]}"
    adapters "${linear[@]}"
    reference "clamped by a value that bites" returns --max-grad-value 0.002
    same --max-grad-value 0.002
    reference "clamped by norm, rank 7, a head of two narrow blocks" returns --max-grad-value 0 --max-grad-norm 0.1 --lora-rank 7 --lora-alpha 3 \
        --value-blocks 2 --value-width 3
    same --max-grad-norm 0.1 --lora-rank 7 --lora-alpha 3 --value-head residual:blocks=2,width=3
    reference "VLRM-RS, rank 1" returns_rs --reward vlrm-rs --lora-rank 1 --lora-alpha 2
    same --lora-rank 1 --lora-alpha 2
done
exit $failed
