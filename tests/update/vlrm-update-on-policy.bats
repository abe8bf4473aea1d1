# Proof of being on-policy: what vlrm-rollout sampled from the published policy is accepted, with no drift in its log-probabilities; what
# somebody has changed, or another policy has sampled, is not.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    update=(vlrm-update --model "$ORACLE/blip2" --value-head linear --learning-rate 1e-2 --warmup-steps 0 --run "$TMP/run")
    captions | vlrm-cat | jq -c 'select(.id) | {id, frame}' | head -12 | vlrm-cat --from=json > "$TMP/frames.vlrm"
    "${update[@]}" --prepare
    sampled "$TMP/run/policy/step-000000" > "$TMP/in.vlrm"
}

# sampled POLICY: captions of it with rewards, six a batch.
sampled() {
    vlrm-rollout --model "$ORACLE/blip2" --sample --batch 6 --max-new-tokens 12 --policy "$1" "$TMP/frames.vlrm" |
        vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" --no-ref
}

# tampered FILTER: the same records, changed.
tampered() {
    vlrm-cat "$TMP/in.vlrm" | jq -c "if .id then ($1) else . end" | vlrm-cat --from=json > "$TMP/tampered.vlrm"
}

# refused TEXT: the tampered records, before a step is taken from them.
refused() {
    exits 6 "${update[@]}" --check-logp 1 "$TMP/tampered.vlrm"
    says "$1"
    [ "$(readlink "$TMP/run/policy/latest")" = step-000000 ]
    [ ! -s "$TMP/run/metrics.jsonl" ]
}

drift() {
    jq -c ".logp_drift.$1" "$TMP/run/metrics.jsonl" | head -1
}

@test "what the policy sampled is what the learner computes" {
    "${update[@]}" --check-logp 1 --max-steps 1 "$TMP/in.vlrm" > /dev/null
    jq -e '.logp_drift.records == 6 and .logp_drift.max < 1e-5 and .logp_drift.mean > 0' "$TMP/run/metrics.jsonl"
    # Through JSON and back it is the same.
    tampered .
    "${update[@]}" --run "$TMP/json" --check-logp 1 --max-steps 1 "$TMP/tampered.vlrm" > /dev/null
    cmp "$TMP/run/state/step-000001/policy.safetensors" "$TMP/json/state/step-000001/policy.safetensors"
}

@test "so it is with groups, a greedy caption among them; what somebody has changed of one is refused" {
    vlrm-rollout --model "$ORACLE/blip2" --sample --num-return 2 --greedy-baseline --batch 9 --max-new-tokens 12 --policy "$TMP/run/policy/step-000000" "$TMP/frames.vlrm" |
        vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" --no-ref > "$TMP/in.vlrm"
    for baseline in rloo greedy; do
        "${update[@]}" --baseline $baseline --run "$TMP/$baseline" --check-logp 1 --max-steps 1 "$TMP/in.vlrm" > "$TMP/m"
        jq -e '.captions == 6 and .groups == 3 and .logp_drift.records == 6 and .logp_drift.max < 1e-5' "$TMP/m"
    done
    tampered 'if .id == "0001~2" then .caption.logp[1] -= 2 else . end'
    exits 6 "${update[@]}" --baseline rloo --run "$TMP/other" --check-logp 1 "$TMP/tampered.vlrm"
    says "record 0001~2: caption.logp[1] is "
}

@test "a log-probability that somebody has changed" {
    tampered 'if .id == "0003" then .caption.logp[2] -= 2 else . end'
    refused "record 0003: caption.logp[2] is "
    says "the policy of step 0 gives"
    # A little is not refused, but seen.
    tampered 'if .id == "0003" then .caption.logp[2] -= 0.25 else . end'
    exits 6 "${update[@]}" --check-logp 1 --max-drift 0.2 "$TMP/tampered.vlrm"
    "${update[@]}" --check-logp 1 --max-steps 1 "$TMP/tampered.vlrm" > /dev/null
    [ "$(drift 'max * 1000 | round')" = 250 ]
    # Where nobody looks, nobody sees; nor is it refused where it is said to be of somebody else.
    tampered '.caption.logp[0] -= 2'
    "${update[@]}" --run "$TMP/unseen" --max-steps 1 "$TMP/tampered.vlrm" > "$TMP/m"
    jq -e 'has("logp_drift") | not' "$TMP/m"
    "${update[@]}" --run "$TMP/off" --off-policy --check-logp 1 --max-steps 1 "$TMP/tampered.vlrm" > "$TMP/m"
    jq -e '.logp_drift.max > 1.9 and .logp_drift.records == 6' "$TMP/m"
}

@test "tokens that somebody has changed" {
    tampered 'if .id == "0004" then .caption.tokens[0] = (.caption.tokens[0] + 1) % 400 | del(.reward.caption) else . end'
    refused "record 0004: caption.logp["
}

@test "log-probabilities that are none" {
    tampered 'if .id == "0001" then .caption.logp += [-1] elif .id == "0002" then .caption.logp[0] = "much" else . end'
    exits 3 "${update[@]}" --max-steps 1 "$TMP/tampered.vlrm"
    says "record 0001: caption.logp has "
    says "record 0002: caption.logp is not an array of numbers"
    tampered 'if .id == "0001" then del(.caption.logp) else . end'
    exits 0 "${update[@]}" --run "$TMP/other" --check-logp 1 --max-steps 1 "$TMP/tampered.vlrm"
    says "1 of the records to be checked carry no caption.logp"
    jq -e '.logp_drift.records == 5' "$TMP/other/metrics.jsonl"
}

@test "a share of the records: which ones does not depend on the run's place" {
    records=()
    for share in 0.5 0.5 1 0; do
        rm -rf "$TMP/run"
        "${update[@]}" --check-logp "$share" --max-steps 1 "$TMP/in.vlrm" > "$TMP/m"
        records+=("$(jq -c '.logp_drift.records' "$TMP/m")")
    done
    [ "${records[0]}" = "${records[1]}" ]
    [ "${records[0]}" -gt 0 ] && [ "${records[0]}" -lt 6 ]
    [ "${records[*]:2}" = '6 null' ]
}

@test "captions of another step, and of another run's step of the same number" {
    "${update[@]}" --max-steps 1 "$TMP/in.vlrm" > /dev/null
    exits 6 "${update[@]}" "$TMP/in.vlrm" # its second batch was sampled by step 0, too
    says "record 0006: sampled by the policy of step 0, expected step 1"
    sampled "$TMP/run/policy/step-000001" > "$TMP/next.vlrm"
    # The other run has taken its first step with another rate.
    other=("${update[@]}" --learning-rate 1e-3 --run "$TMP/other")
    "${other[@]}" --max-steps 1 "$TMP/in.vlrm" > /dev/null
    mine=$(jq -r .policy "$TMP/run/policy/step-000001/config.json") its=$(jq -r .policy "$TMP/other/policy/step-000001/config.json")
    [ "$mine" != "$its" ]
    exits 6 "${other[@]}" "$TMP/next.vlrm"
    says "record 0006: sampled by policy $mine of step 1, expected $its, this run's"
    exits 0 "${update[@]}" "$TMP/next.vlrm"
    [ "$(readlink "$TMP/run/policy/latest")" = step-000002 ]
}

@test "with --max-lag the step before may have sampled, if it was this run's" {
    lagging=("${update[@]}" --max-lag 1 --run "$TMP/lagging")
    "${lagging[@]}" --max-steps 1 "$TMP/in.vlrm" > /dev/null
    tampered 'if .id >= "0006" then .caption.policy = "0123456789abcdef" else . end'
    exits 6 "${lagging[@]}" "$TMP/tampered.vlrm"
    says "record 0006: sampled by policy 0123456789abcdef of step 0, expected $(jq -r .policy "$TMP/lagging/policy/step-000000/config.json")"
    exits 0 "${lagging[@]}" "$TMP/in.vlrm"
    [ "$(readlink "$TMP/lagging/policy/latest")" = step-000002 ]
}
