# vlrm train on clips, and with several trained parts at once: what is published, and that rollout samples from it.

setup() {
    load ../programs/common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1
    train=("$ROOT/bin/vlrm" train --model "$ORACLE/blip2" --itm "$ORACLE/itm" --learning-rate 1e-2 --warmup-steps 1 --max-new-tokens 12)
}

# names FILE: of its tensors, without numbers and what follows a part's name.
parts_in() {
    vlrm-weights list "$1" | cut -f1 | sed -E 's/^(query_tokens|qformer|language_projection).*/\1/' | sort -u | paste -sd' '
}

# adapted FOLDER: which models an adapter's modules belong to.
adapted() {
    vlrm-weights list "$1/adapter_model.safetensors" | cut -f1 | sed -E 's/^base_model\.model\.([a-z_]+)\..*/\1/' | sort -u | paste -sd' '
}

# captions RUN STEP: what the policy of that step says, greedily, with log-probabilities.
captions() {
    vlrm-extract --limit 6 "$ORACLE/f64/images" | vlrm-rollout --model "$ORACLE/blip2" --greedy --max-new-tokens 12 --policy "$1/policy/step-00000$2" |
        vlrm-cat | jq -c 'select(.id) | [.id, .caption.tokens, .caption.logp]'
}

# trains PARTS TENSORS ADAPTED: three steps of `vlrm train --train PARTS` with every log-probability computed again by the learner.
trains() {
    local run=$TMP/run
    "${train[@]}" --run "$run" --train "$1" --batch 10 --check-logp 1 --lora-rank 2 --keep 9 "$ORACLE/f64/images" > "$TMP/metrics"
    # Rollout sampled each batch from the very policy that learns: weights and adapters as published.
    jq -es 'map(.step) == [1, 2, 3] and all(.grad_norm.policy > 0 and .logp_drift.records == 10 and .logp_drift.max < 1e-4)' "$TMP/metrics"
    [ "$(parts_in "$run/policy/latest/model.safetensors")" = "$2" ]
    if [ -n "$3" ]; then
        [ "$(adapted "$run/policy/latest/adapter")" = "$3" ]
    else
        [ ! -e "$run/policy/latest/adapter" ]
    fi
    # What was published is used: each step's policy gives other log-probabilities.
    captions "$run" 0 > "$TMP/0"
    captions "$run" 1 > "$TMP/1"
    captions "$run" 3 > "$TMP/3"
    [ "$(wc -l < "$TMP/3")" = 6 ]
    no cmp -s "$TMP/0" "$TMP/1"
    no cmp -s "$TMP/1" "$TMP/3"
    # And the whole model that it is exported to says the same.
    vlrm-weights export --base "$ORACLE/blip2" --policy "$run/policy/latest" --out "$TMP/whole"
    vlrm-extract --limit 6 "$ORACLE/f64/images" | vlrm-rollout --model "$TMP/whole" --greedy --max-new-tokens 12 | vlrm-cat |
        jq -c 'select(.id) | [.id, .caption.tokens]' | diff - <(jq -c '.[:2]' "$TMP/3")
}

@test "query and projection" {
    trains query,projection "language_projection query_tokens" ""
}

@test "Q-Former and adapters of the language model" {
    trains qformer,lora-llm qformer language_model
}

@test "adapters of the vision encoder alone: nothing but them is published" {
    trains lora-vision "" vision_model
}

@test "everything at once" {
    trains query,qformer,projection,lora-vision,lora-llm "language_projection qformer query_tokens" "language_model vision_model"
}

@test "parts given one by one are those of a list; a part that there is not is named" {
    "${train[@]}" --run "$TMP/a" --train qformer --train lora-llm --batch 15 "$ORACLE/f64/images" > /dev/null
    jq -e '.train == ["qformer", "lora-llm"]' "$TMP/a/config.json"
    exits 2 "${train[@]}" --run "$TMP/b" --train qformer,head "$ORACLE/f64/images"
    says "'head' is not one of"
    exits 2 "${train[@]}" --run "$TMP/c" --batch many "$ORACLE/f64/images"
    says "    vlrm-update: --batch: 'many' is not a whole number"
}

# Clips of a few seconds, drawn by the miniature: H.264 with hard cuts, decoded, sampled, scored and learned from.
@test "captions of an image compared with each other, or with its greedy one: groups are made, every log-probability is the learner's" {
    "${train[@]}" --run "$TMP/rloo" --baseline rloo --batch 16 --max-steps 2 --check-logp 1 --keep 9 "$ORACLE/f64/images" > "$TMP/metrics"
    jq -es 'length == 2 and all(.captions == 16 and .groups == 2 and .logp_drift.records == 16 and .logp_drift.max < 1e-4 and .grad_norm.policy > 0)' "$TMP/metrics"
    "${train[@]}" --run "$TMP/greedy" --baseline greedy --batch 8 --max-steps 2 --check-logp 1 "$ORACLE/f64/images" > "$TMP/metrics"
    jq -es 'length == 2 and all(.captions == 4 and .groups == 4 and .group_lost == 0 and .logp_drift.max < 1e-4)' "$TMP/metrics"
}

@test "on clips: a frame of each at random, anew in every pass; killed, on to the same parameters" {
    vlrm-world-render --clips 6 --size 64 --rate 4 --out "$TMP/clips"
    [ "$(find "$TMP/clips" -name '*.mp4' | wc -l)" = 6 ]
    ffprobe -v error -show_entries format=duration -of csv=p=0 "$TMP"/clips/*0.mp4 | awk '$1 >= 2 { long = 1 } END { exit !long }'
    clips=("${train[@]}" --batch 6 --max-steps 6 --record "$TMP/records.vlrm")
    "${clips[@]}" --run "$TMP/run" "$TMP/clips" > "$TMP/metrics"
    jq -es 'map(.step) == [range(1; 7)] and all(.captions == 6 and .tokens > 0 and .grad_norm.policy > 0 and .grad_norm.value > 0)' "$TMP/metrics"
    [ "$(readlink "$TMP/run/policy/latest")" = step-000006 ]
    # Frames of clips, one of each clip and pass; not always the same one.
    vlrm-cat "$TMP/records.vlrm" | jq -c 'select(.id)' > "$TMP/records"
    jq -es 'length == 36 and all(.frame.pict_type == "I" and (.frame.source | endswith(".mp4")))' "$TMP/records"
    jq -es 'group_by(.frame.source) | length == 6 and all(length == 6)' "$TMP/records"
    jq -es 'group_by(.frame.source) | any(map(.frame.pts) | unique | length > 1)' "$TMP/records"
    # Other keyframes than those of the extraction there are none.
    vlrm-extract "$TMP/clips" | vlrm-cat | jq -r 'select(.id) | "\(.frame.source) \(.frame.pts)"' | sort -u > "$TMP/keyframes"
    jq -r '"\(.frame.source) \(.frame.pts)"' "$TMP/records" | sort -u | comm -23 - "$TMP/keyframes" | diff /dev/null -
    # The same again in two goes, the first one killed on its way.
    killed=("${train[@]}" --batch 6 --max-steps 6 --run "$TMP/killed" --filter "vlrm-cat --bin=base64 | $ROOT/tests/pipelines/gate.py $TMP/gate | vlrm-cat --from=json" "$TMP/clips")
    echo 4 > "$TMP/gate"
    "${killed[@]}" > "$TMP/out" 2> "$TMP/err" &
    recipe=$!
    eventually 60 test -s "$TMP/killed/metrics.jsonl"
    kill -9 "$recipe"
    status=0
    wait "$recipe" || status=$?
    [ "$status" = 137 ]
    eventually 60 flock -n "$TMP/killed/lock" true
    eventually 60 flock -n "$TMP/killed/update.lock" true
    echo 6 > "$TMP/gate"
    "${killed[@]}" > /dev/null
    cmp "$TMP/run/state/step-000006/policy.safetensors" "$TMP/killed/state/step-000006/policy.safetensors"
    cmp "$TMP/run/state/step-000006/value.safetensors" "$TMP/killed/state/step-000006/value.safetensors"
}
