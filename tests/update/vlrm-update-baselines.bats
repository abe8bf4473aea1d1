# What returns are compared with: each baseline and scale against the reference's numbers; groups that lost a caption; a run without a
# value head has nothing of one, and goes on to the same bits.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    CASES=$ROOT/tests/golden/advantages/captions.jsonl
    update=(vlrm-update --model "$ORACLE/blip2" --off-policy --learning-rate 1e-3 --warmup-steps 3 --value-head linear)
}

# The reference's captions in groups, their greedy ones among them: the tokens and images are anybody's.
grouped() {
    jq -c '{id, frame: {path: "images/\(.image).png"}, caption: {tokens: [.returns[] | 5], eos: false, group: .image}, reward: {returns}}' "$CASES"
    jq -cs 'group_by(.image)[][0] | {id: "\(.image)~greedy", frame: {path: "images/\(.image).png"}, caption: {tokens: [5], eos: false, group: .image, baseline: true}, reward: {returns: [.greedy]}}' "$CASES"
}

# sampled N GREEDY: six images with N captions each, 8 tokens long, and rewards that mean nothing.
sampled() {
    jq -c --argjson n "$1" --argjson greedy "$2" 'select(.id < "0006") | . as $r | ($n + if $greedy then 1 else 0 end) as $size | range($size) |
        . as $k | ($k == $n) as $base | $r | .id += "~\($k)" | .caption += {group: $r.id, group_size: $size, baseline: $base} | .caption.tokens |= .[:8 - ($k % 3)] |
        .caption.tokens[0] += $k | del(.caption.logp) | .reward = {returns: [.caption.tokens[] | . % 7 - 3]}' captions.jsonl
}

# scheme NAME FIELD OPTION..: value.FIELD with these options is the reference's NAME.
scheme() {
    "${update[@]}" --batch 66 --run "$TMP/$1" --record "$TMP/$1.vlrm" "${@:3}" "$TMP/in.vlrm" > "$TMP/$1.metrics"
    paste -d' ' <(vlrm-cat "$TMP/$1.vlrm" | jq --arg f "$2" 'select(.id and .value) | .value[$f][]') <(jq --arg n "$1" '.[$n][]' "$CASES") | near 1e-10
}

@test "each baseline and scale gives the reference's advantages: unequal lengths, groups of one, without spread, scattered over the batch" {
    grouped | vlrm-cat --from=json > "$TMP/in.vlrm"
    scheme rloo advantages --baseline rloo --group-scale none
    scheme group advantages --baseline group --group-scale none
    scheme grpo normalised --baseline group --group-scale group
    scheme scst advantages --baseline greedy --group-scale none
    scheme batch normalised --baseline batch
    scheme rloo_batch normalised --baseline rloo
    scheme group_batch normalised --baseline group
    scheme grpo_batch normalised --baseline group --group-scale both
    scheme scst_batch normalised --baseline greedy
    # M is A where nothing is scaled; the parts that TRL reports have TRL's numbers.
    vlrm-cat "$TMP/rloo.vlrm" | jq -es 'map(select(.value)) | length == 50 and all(.value.advantages == .value.normalised)'
    jq -e '.groups == 16 and .captions == 50 and .group_lost == 0' "$TMP/grpo.metrics"
    jq -s 'group_by(.image) | map(map(.returns[0]) | if length < 2 then 0 else (add / length) as $m | (map((. - $m) * (. - $m)) | add) / (length - 1) | sqrt end) |
        (add / length), (map(select(. <= 1e-6)) | length) / length' "$CASES" | paste -d' ' <(jq '.reward_std, .frac_reward_zero_std' "$TMP/grpo.metrics") - | near 1e-7
}

@test "a baseline by place in the caption is the mean over the batch's tokens of that place" {
    grouped | vlrm-cat --from=json > "$TMP/in.vlrm"
    "${update[@]}" --batch 66 --run "$TMP/run" --record "$TMP/rec.vlrm" --baseline position --group-scale none "$TMP/in.vlrm" > "$TMP/m"
    jq -s '[.[].returns] | . as $all | map(to_entries | map(.key as $k | .value - ([$all[][$k] // empty] | add / length)))[][]' "$CASES" > "$TMP/expected"
    paste -d' ' <(vlrm-cat "$TMP/rec.vlrm" | jq 'select(.id and .value) | .value.advantages[]') "$TMP/expected" | near 1e-10
}

@test "without the value baseline there is no value pass, no value head, no LoRA, no moment; resumed, it goes on to the same bits" {
    sampled 3 true | vlrm-cat --from=json > "$TMP/in.vlrm"
    for baseline in rloo group batch position greedy; do
        "${update[@]}" --batch 8 --baseline "$baseline" --run "$TMP/$baseline" "$TMP/in.vlrm" > "$TMP/m"
        jq -es 'length == 3 and all((.grad_norm | has("value-head") or has("value-lora") | not) and .grad_norm.value == 0 and .seconds.values == 0
            and (has("value_loss") | not) and .captions == 6 and .groups == 2 and has("explained_variance"))' "$TMP/m"
        [ "$(vlrm-weights list "$TMP/$baseline/state/step-000003/value.safetensors" | grep -c value)" = 0 ]
        [ ! -e "$TMP/$baseline/state/step-000003/value" ]
        for n in 1 2 3; do "${update[@]}" --batch 8 --baseline "$baseline" --run "$TMP/$baseline.parts" --max-steps "$n" "$TMP/in.vlrm" > "$TMP/m"; done
        cmp "$TMP/$baseline/state/step-000003/policy.safetensors" "$TMP/$baseline.parts/state/step-000003/policy.safetensors"
    done
    exits 0 "${update[@]}" --count -v --baseline rloo
    says 'value: 0'
    exits 6 "${update[@]}" --batch 8 --baseline rloo --run "$TMP/greedy" "$TMP/in.vlrm"
    says '--baseline is "rloo", expected "greedy" as in the steps before'
    exits 6 "${update[@]}" --batch 8 --baseline rloo --group-scale none --run "$TMP/rloo" "$TMP/in.vlrm"
    says '--group-scale is "none", expected "batch"'
}

@test "a step of groups is taken again from what was kept of it, greedy captions and all" {
    sampled 3 true | vlrm-cat --from=json > "$TMP/in.vlrm"
    "${update[@]}" --batch 8 --baseline greedy --run "$TMP/run" --keep-batches 2 --dump "$TMP/dump" "$TMP/in.vlrm" > "$TMP/m"
    [ "$(vlrm-cat --count "$TMP/run/batches/step-000003/batch.vlrm")" = 8 ]
    "$ROOT/bin/vlrm" replay "$TMP/run" 3 --out "$TMP/again"
    cmp "$TMP/dump/step-3.safetensors" "$TMP/again/step-3.safetensors"
}

@test "a group is never split: a batch ends where its last group does, whether its size is said or the next begins" {
    sampled 3 false > "$TMP/lines"
    vlrm-cat --from=json "$TMP/lines" > "$TMP/in.vlrm"
    "${update[@]}" --batch 4 --baseline rloo --run "$TMP/a" "$TMP/in.vlrm" > "$TMP/m"
    jq -es 'map(.captions) == [6, 6, 6]' "$TMP/m"
    jq -c 'del(.caption.group_size)' "$TMP/lines" | vlrm-cat --from=json > "$TMP/unsaid.vlrm"
    "${update[@]}" --batch 4 --baseline rloo --run "$TMP/b" "$TMP/unsaid.vlrm" > "$TMP/m"
    jq -es 'map(.captions) == [6, 6, 6]' "$TMP/m"
    cmp "$TMP/a/state/step-000003/policy.safetensors" "$TMP/b/state/step-000003/policy.safetensors"
    # What was consumed is skipped in the same batches.
    exits 0 "${update[@]}" --batch 4 --baseline rloo --run "$TMP/b" "$TMP/unsaid.vlrm"
    [ -z "$output" ]
}

@test "a group that lost a caption is compared as what is left of it; one without its greedy caption teaches nothing" {
    sampled 3 true | jq -c 'if .id == "0001~1" then del(.reward) else . end' | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 3 "${update[@]}" --batch 8 --baseline rloo --group-scale none --max-steps 1 --run "$TMP/a" --record "$TMP/rec.vlrm" "$TMP/in.vlrm"
    says "record 0001~1: reward.returns is missing"
    says "batch 0: 1 groups lack captions that failed before: 0001 has 3 of 4"
    says '"group_lost":1'
    vlrm-cat "$TMP/rec.vlrm" | jq -es 'map(select(.value and .caption.group == "0001")) | length == 2 and .[0].value.advantages[0] == .[0].reward.returns[0] - .[1].reward.returns[0]'
    sampled 3 true | jq -c 'if .id == "0001~3" then del(.reward) else . end' | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 3 "${update[@]}" --batch 8 --baseline greedy --max-steps 1 --run "$TMP/b" --record "$TMP/rec.vlrm" "$TMP/in.vlrm"
    says "3 captions have lost the greedy caption of their image: nothing is learned from them"
    vlrm-cat "$TMP/rec.vlrm" | jq -es 'map(select(.value)) | length == 6 and all((.caption.group == "0001") == (.value.normalised | all(. == 0)))'
    # None at all is another rollout's.
    sampled 3 false | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 6 "${update[@]}" --batch 8 --baseline greedy --max-steps 1 --run "$TMP/c" "$TMP/in.vlrm"
    says "no image has a greedy caption to compare with"
}

@test "captions of one image share its prefix: gradients are those of the same captions apart" {
    sampled 3 false > "$TMP/lines"
    vlrm-cat --from=json "$TMP/lines" > "$TMP/in.vlrm"
    jq -cs 'sort_by(.id[5:])[]' "$TMP/lines" | vlrm-cat --from=json > "$TMP/apart.vlrm" # no neighbours of one image
    for order in in apart; do
        "${update[@]}" --batch 18 --baseline rloo --run "$TMP/$order" --dump "$TMP/dump.$order" "$TMP/$order.vlrm" > "$TMP/$order.m"
    done
    python3 "$ROOT/tests/programs/compare_safetensors.py" "$TMP/dump.in/step-1.safetensors" "$TMP/dump.apart/step-1.safetensors" --tolerance 1e-4 --only '^grad\.' --skip 'key\.bias$'
    jq -es '.[0].activations_mib < 0.7 * .[1].activations_mib' "$TMP/in.m" "$TMP/apart.m"
}
