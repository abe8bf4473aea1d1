# What makes the value head learn: alone before the policy moves, several times a batch, in the units of the returns; and how much the
# gradients of parts of a batch agree.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    update=(vlrm-update --model "$ORACLE/blip2" --off-policy --batch 6 --learning-rate 1e-3 --warmup-steps 0 --value-head "residual:blocks=1,width=1")
    rewarded > "$TMP/in.vlrm"
}

# same_parts NAME OPTION..: the run in parts, each its own start, ends as the one that was never interrupted; its steps are taken again to the bit.
same_parts() {
    "${update[@]}" --run "$TMP/$1" --keep 9 --keep-batches 9 --dump "$TMP/$1.dump" "${@:2}" "$TMP/in.vlrm" > "$TMP/$1.m"
    for n in 1 2 3 4 5; do "${update[@]}" --run "$TMP/$1.parts" --max-steps "$n" "${@:2}" "$TMP/in.vlrm" > "$TMP/m"; done
    for file in policy value; do cmp "$TMP/$1/state/step-000005/$file.safetensors" "$TMP/$1.parts/state/step-000005/$file.safetensors"; done
    "$ROOT/bin/vlrm" replay "$TMP/$1" 3 --out "$TMP/$1.again" > "$TMP/m"
    cmp "$TMP/$1.dump/step-3.safetensors" "$TMP/$1.again/step-3.safetensors"
}

@test "the critic learns alone first: the policy is the base's until then, and moves by its own count of steps" {
    same_parts warm --critic-warmup 2
    jq -es 'map(.grad_norm.policy == 0) == [true, true, false, false, false] and map(.learning_rate == 0) == [true, true, false, false, false]
        and all(.grad_norm.value > 0) and .[0].policy_loss != 0 and .[0].entropy > 1' "$TMP/warm.m"
    "${update[@]}" --run "$TMP/base" --prepare
    cmp "$TMP/base/policy/step-000000/model.safetensors" "$TMP/warm/policy/step-000002/model.safetensors"
    no cmp -s "$TMP/base/policy/step-000000/model.safetensors" "$TMP/warm/policy/step-000003/model.safetensors"
}

@test "several updates of the value a batch: the policy's first step is the same, values fit better" {
    same_parts more --value-updates 4
    same_parts once
    no cmp -s "$TMP/more/policy/step-000003/model.safetensors" "$TMP/once/policy/step-000003/model.safetensors"
    "${update[@]}" --run "$TMP/a" --max-steps 1 "$TMP/in.vlrm" > "$TMP/a.m"
    "${update[@]}" --run "$TMP/b" --max-steps 1 --value-updates 4 "$TMP/in.vlrm" > "$TMP/b.m"
    cmp "$TMP/a/state/step-000001/policy.safetensors" "$TMP/b/state/step-000001/policy.safetensors"
    jq -es '.[4].value_loss < .[9].value_loss' "$TMP/more.m" "$TMP/once.m"
}

@test "values in the units of the returns: before the first step they are the returns' mean" {
    same_parts scaled --value-normalise
    jq -es '.[0] | (.value.mean - .return.mean | fabs < 1e-6) and .value.std < 1e-6' "$TMP/scaled.m"
    jq -es 'all(.value_loss > 0 and .grad_norm.value > 0)' "$TMP/scaled.m"
    jq -e '.return_scale | length == 3' "$TMP/scaled/state/step-000005/state.json"
}

@test "gradients of parts of a batch: their sum is that of the whole; captions alike agree wholly" {
    "${update[@]}" --run "$TMP/whole" --dump "$TMP/d" --max-steps 1 "$TMP/in.vlrm" > "$TMP/whole.m"
    "${update[@]}" --run "$TMP/parts" --dump "$TMP/p" --max-steps 1 --gradient-parts 3 "$TMP/in.vlrm" > "$TMP/parts.m"
    python3 "$ROOT/tests/programs/compare_safetensors.py" "$TMP/d/step-1.safetensors" "$TMP/p/step-1.safetensors" --tolerance 1e-4 --only '^grad\.' --skip 'key\.bias$|k_proj\.bias$'
    jq -e '.grad_agreement > 0.2 and .grad_agreement < 1' "$TMP/parts.m"
    jq -e 'has("grad_agreement") | not' "$TMP/whole.m"
    for n in 1 2 3 4 5 6; do head -2 captions.jsonl | tail -1 | jq -c --arg n "$n" '.id = $n'; done | vlrm-cat --from=json > "$TMP/alike.vlrm"
    vlrm-update --model "$ORACLE/blip2" --objective xe --batch 6 --gradient-parts 6 --run "$TMP/alike" "$TMP/alike.vlrm" > "$TMP/m"
    jq -e '.grad_agreement - 1 | fabs < 1e-5' "$TMP/m"
}

@test "without a value head there is none to be trained otherwise" {
    for option in --critic-warmup=1 --value-updates=2 --value-normalise; do
        exits 2 "${update[@]}" --run "$TMP/run" --baseline rloo "$option" "$TMP/in.vlrm"
        says "need --baseline value"
    done
}
