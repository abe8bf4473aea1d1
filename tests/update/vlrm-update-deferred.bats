#!/usr/bin/env bats
# Rewards of which Phi, and parts standardised over the batch, are left to vlrm-update (vlrm-reward --defer).
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    update=(vlrm-update --model "$ORACLE/blip2" --value-head linear --off-policy --learning-rate 1e-2 --warmup-steps 0 --batch 10)
    models=(--model "$ORACLE/blip2" --itm "$ORACLE/itm" --clip "$ORACLE/clip")
    # Groups of two, of which every second is the greedy caption of the first.
    jq -c -n '[inputs] | to_entries[] | .value.caption += {group: "g\(.key / 2 | floor)", group_size: 2} | if .key % 4 == 3 then .value.caption.baseline = true else . end | .value' \
        captions.jsonl | vlrm-cat --from=json > "$TMP/captions"
}

# learn NAME OPTION...: takes steps on captions rewarded so; the records, without what is between reward and update in $between, into NAME.
learn() {
    vlrm-reward "${models[@]}" --batch 10 "${@:2}" "$TMP/captions" | "${between[@]}" | "${update[@]}" --run "$TMP/run.$1" --record "$TMP/$1.vlrm" > /dev/null
    vlrm-cat --bin=base64 "$TMP/$1.vlrm" | jq -c 'select(.id)' > "$TMP/$1"
}

@test "they are completed to what vlrm-reward would have written, to the bit, greedy captions and groups among them" {
    between=(cat)
    for options in --no-ref "--standardise batch --clip-weight 2" "--standardise group --length-weight 0.1 --gamma 0.5"; do
        # shellcheck disable=SC2086 # several options
        learn whole $options
        # shellcheck disable=SC2086
        learn left $options --defer
        [ "$(wc -l < "$TMP/whole")" = 30 ]
        cmp "$TMP/whole" "$TMP/left"
        for set in policy value; do cmp "$TMP"/run.{whole,left}/state/step-000003/$set.safetensors; done
        diff <(jq -c '[.step, .phi, .sim, .reward]' "$TMP/run.whole/metrics.jsonl") <(jq -c '[.step, .phi, .sim, .reward]' "$TMP/run.left/metrics.jsonl")
        # What is recorded is whole, and trains another run like any other.
        "${update[@]}" --batch 0 --run "$TMP/again" "$TMP/left.vlrm" > /dev/null
        cmp "$TMP"/{again,run.left}/state/step-000003/policy.safetensors
        rm -r "$TMP"/run.* "$TMP/again"
    done
    # Whatever else is left, a stream of these says so until then.
    vlrm-reward "${models[@]}" --defer "$TMP/captions" | vlrm-cat | jq -es 'map(select(.id).reward) | all(.parts.phi == null and .deferred.phi and (.deferred.standardise | not))'
    vlrm-reward "${models[@]}" --defer "$TMP/captions" | vlrm-explain --model "$ORACLE/blip2" | grep -c 'before vlrm-update completes it' | grep -qx 30
}

@test "what a program between has added to returns stays added" {
    between=(bash -c "vlrm-cat --bin=base64 | jq -c --unbuffered 'if .reward then .reward.returns |= map(. + 4) else . end' | vlrm-cat --from=json")
    learn whole
    learn left --defer
    paste -d' ' <(jq '.reward.returns[]' "$TMP/whole") <(jq '.reward.returns[]' "$TMP/left") | near 1e-12
    between=(cat)
    learn without --defer
    paste -d' ' <(jq '.reward.returns[] - 4' "$TMP/left") <(jq '.reward.returns[]' "$TMP/without") | near 1e-12
}

@test "a batch half of which is whole, vectors that are none, a header without weights: refused, no step" {
    vlrm-reward "${models[@]}" --batch 0 --defer "$TMP/captions" > "$TMP/left"
    # broken FILTER TEXT
    broken() {
        vlrm-cat --bin=base64 "$TMP/left" | jq -c "$1" | vlrm-cat --from=json > "$TMP/broken"
        exits 6 "${update[@]}" --run "$TMP/run" "$TMP/broken"
        says "$2"
        [ ! -s "$TMP/run/metrics.jsonl" ]
    }
    broken 'if .id == "0003" then del(.reward.deferred) else . end' 'of the batch some rewards are whole and others are not'
    broken 'if .id == "0003" then .reward.deferred.image = {"$bin": "AAAAAA=="} | .reward.deferred.text = .reward.deferred.image else . end' 'vectors of 1 numbers, expected'
    broken 'if .stage then del(.params["clip-weight"]) else . end' "the input's header has no stage reward with --clip-weight"
    vlrm-cat --bin=base64 "$TMP/left" | jq -c 'if .id == "0003" then .reward.deferred.text = 1 else . end' | vlrm-cat --from=json > "$TMP/broken"
    exits 3 "${update[@]}" --run "$TMP/run" "$TMP/broken"
    says 'image and text are not two vectors of the same length'
    exits 6 vlrm-reward --model "$ORACLE/blip2" --recombine "$TMP/left"
    says 'only vlrm-update can complete'
}
