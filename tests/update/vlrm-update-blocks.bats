#!/usr/bin/env bats
# --block: gradients of a block of captions at a time are summed as 64-bit integers.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    common=(--model "$ORACLE/blip2" --off-policy --batch 6 --learning-rate 1e-3 --warmup-steps 3)
    rewarded > "$TMP/in.vlrm"
}

compare() {
    python3 "$ROOT/tests/programs/compare_safetensors.py" "$@"
}

# in_blocks BIN BLOCK TOLERANCE: five steps come to the reference's gradients, losses and parameters. Those of vlrm-update.bats.
in_blocks() {
    "$1/vlrm-update" "${common[@]}" --block "$2" --run "$TMP/run$2" --init init.safetensors --dump "$TMP/dump$2" "$TMP/in.vlrm" > "$TMP/metrics"
    [ "$(wc -l < "$TMP/metrics")" = 5 ]
    compare "$TMP/dump$2/step-1.safetensors" step-1.safetensors --tolerance "$3" --only '^grad\.|^values$|^advantages$|^normalised$|^p$'
    compare "$TMP/dump$2/step-5.safetensors" step-5.safetensors --tolerance "$3" --skip 'key\.bias$|k_proj\.bias$'
    paste -d' ' <(jq -r '.value_loss, .policy_loss' "$TMP/metrics") <(jq -r '.value_loss, .policy_loss' steps.jsonl) | near "$3"
}

@test "in blocks the gradients, losses and parameters of five steps are the reference's, the last block being short" {
    in_blocks "$BIN" 4 1e-4
    in_blocks "$BIN" 100 1e-4
}

@test "the same in the double build" {
    [ -x "$ROOT/build/double/bin/vlrm-update" ] || skip "no double build of the programs"
    in_blocks "$ROOT/build/double/bin" 4 1e-7 # the integers' quantum is 9e-16, and Adam divides by gradients as small as 1e-9
}

@test "the order of captions within a batch does not matter to the sum of blocks, as it does to one in floating point" {
    jq -c -n --slurpfile r rewards.jsonl '($r | map({(.id): .reward}) | add) as $by | inputs | .reward = $by[.id]' captions.jsonl | head -6 > "$TMP/lines"
    for block in 0 1; do
        for order in cat tac; do
            $order "$TMP/lines" | vlrm-cat --from=json > "$TMP/$order.vlrm"
            vlrm-update "${common[@]}" --baseline batch --group-scale none --block $block --run "$TMP/$order$block" --dump "$TMP/$order$block" "$TMP/$order.vlrm"
        done
    done
    compare "$TMP/cat1/step-1.safetensors" "$TMP/tac1/step-1.safetensors" --tolerance 0 --only '^grad\.'
    no compare "$TMP/cat0/step-1.safetensors" "$TMP/tac0/step-1.safetensors" --tolerance 0 --only '^grad\.'
}

@test "a gradient that the integers cannot hold is refused before a parameter moves, by name" {
    jq -c '.reward = {returns: [.caption.tokens[] | 1e7]}' captions.jsonl | head -6 | vlrm-cat --from=json > "$TMP/large.vlrm"
    exits 7 vlrm-update "${common[@]}" --block 2 --run "$TMP/run" "$TMP/large.vlrm"
    says "batch 0: the gradient of "
    says "expected within +-8192, the range of integer sums (--block 0)"
    [ "$(readlink "$TMP/run/policy/latest")" = step-000000 ]
    vlrm-update "${common[@]}" --run "$TMP/other" "$TMP/large.vlrm" > "$TMP/metrics"
    [ "$(wc -l < "$TMP/metrics")" = 1 ]
}

@test "the block is one of the options that numbers depend on" {
    vlrm-update "${common[@]}" --block 2 --max-steps 1 --run "$TMP/run" "$TMP/in.vlrm"
    exits 6 vlrm-update "${common[@]}" --run "$TMP/run" "$TMP/in.vlrm"
    says "--block is 0, expected 2"
}
