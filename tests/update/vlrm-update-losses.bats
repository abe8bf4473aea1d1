# The policy's other losses against torch (tests/golden/losses/make.py): log p in place of p, entropy, divergence from the base captioner.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    GOLDEN=$ROOT/tests/golden/losses
    rewarded | vlrm-cat --to=stream --head 6 > "$TMP/in.vlrm"
    common=(--model "$ORACLE/blip2" --off-policy --batch 6 --baseline batch --init step-5.safetensors --learning-rate 1e-3)
}

# losses PROGRAM GRADIENT NUMBER: within these tolerances.
losses() {
    "$1" "${common[@]}" --policy-loss logp --entropy-weight 0.3 --kl-weight 0.5 --run "$TMP/run" --dump "$TMP/dump" "$TMP/in.vlrm" > "$TMP/m"
    python3 "$ROOT/tests/programs/compare_safetensors.py" "$TMP/dump/step-1.safetensors" "$GOLDEN/all.safetensors" --tolerance "$2" --only '^grad\.' --skip 'key\.bias$'
    paste -d' ' <(jq '.policy_loss, .kl, .loss' "$TMP/m") <(jq '.logp, .kl_tokens, .logp + 0.5 * .kl - 0.3 * .entropy' "$GOLDEN/losses.json") | near "$3"
    "$1" "${common[@]}" --run "$TMP/p" "$TMP/in.vlrm" > "$TMP/m"
    paste -d' ' <(jq .policy_loss "$TMP/m") <(jq .p "$GOLDEN/losses.json") | near "$3"
}

@test "losses and gradients of log p, entropy and k3 together are torch's (f32)" {
    losses "$BIN/vlrm-update" 1e-4 1e-5
}

@test "the same in the double build" {
    [ -x "$ROOT/build/double/bin/vlrm-update" ] || skip "no double build of the programs"
    losses "$ROOT/build/double/bin/vlrm-update" 1e-9 1e-7 # metrics have 9 digits
}

@test "the divergence from the base is 0 before the first step, is reported without a weight on request, and changes nothing then" {
    run=(vlrm-update --model "$ORACLE/blip2" --off-policy --batch 2 --train "query,qformer,projection,lora-vision,lora-llm" --learning-rate 1e-2 --warmup-steps 0)
    "${run[@]}" --run "$TMP/plain" "$TMP/in.vlrm" > "$TMP/plain.m"
    "${run[@]}" --run "$TMP/kl" --report-kl "$TMP/in.vlrm" > "$TMP/kl.m"
    jq -es 'all(has("kl") | not)' "$TMP/plain.m"
    jq -es '(.[0].kl | fabs < 1e-9) and .[1].kl > 1e-4 and .[2].kl > 1e-4 and all(.seconds | has("reference"))' "$TMP/kl.m"
    cmp "$TMP/plain/state/step-000003/policy.safetensors" "$TMP/kl/state/step-000003/policy.safetensors"
}

@test "a weight holds the policy: with entropy it is wider, with k3 nearer to the base; resumed, the same bits; no weight for xe" {
    # steps NAME OPTION..: three steps on the same two captions, again and again; the last divergence and entropy.
    for n in 1 2 3 4; do vlrm-cat "$TMP/in.vlrm" | jq -c --arg n "$n" 'select(.id) | .id += "+" + $n'; done | vlrm-cat --from=json > "$TMP/long.vlrm"
    steps() { vlrm-update --model "$ORACLE/blip2" --off-policy --batch 6 --baseline batch --learning-rate 1e-2 --warmup-steps 0 --run "$TMP/$1" "${@:2}" "$TMP/long.vlrm" > "$TMP/$1.m"; }
    steps free --report-kl
    steps held --kl-weight 20
    steps wide --entropy-weight 1
    jq -es '.[3].kl > 2 * .[7].kl and .[11].entropy > .[3].entropy' "$TMP/free.m" "$TMP/held.m" "$TMP/wide.m"
    for n in 2 4; do steps parts --kl-weight 20 --max-steps "$n"; done
    cmp "$TMP/held/state/step-000004/policy.safetensors" "$TMP/parts/state/step-000004/policy.safetensors"
    exits 6 steps held --kl-weight 2
    says "--kl-weight is 2.0, expected 20.0"
    exits 2 vlrm-update --model "$ORACLE/blip2" --run "$TMP/xe" --objective xe --kl-weight 1
}
