# vlrm-weights export: the folder captions as the policy does; adapters merged; the delta alone; another base is refused.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
}

# trained RUN [OPTION...]: two steps with a large learning rate, so that captions change.
trained() {
    rewarded | vlrm-update --model "$ORACLE/blip2" --off-policy --batch 6 --max-steps 2 --learning-rate 3e-2 --warmup-steps 0 --value-head linear --run "$@" > "$TMP/metrics"
}

# greedy MODEL [OPTION...]: captions, a JSON array of ids a line.
greedy() {
    captions | vlrm-rollout --greedy --max-new-tokens 20 --model "$@" | vlrm-cat | jq -c 'select(.id) | .caption.tokens'
}

exports_as_policy() {
    vlrm-weights export --base "$ORACLE/blip2" --policy "$TMP/run/policy/latest" --out "$TMP/out"
    greedy "$ORACLE/blip2" --policy "$TMP/run/policy/latest" > "$TMP/policy"
    greedy "$TMP/out" > "$TMP/exported"
    greedy "$ORACLE/blip2" > "$TMP/base"
    [ "$(wc -l < "$TMP/policy")" = 30 ]
    cmp "$TMP/policy" "$TMP/exported"
    no cmp -s "$TMP/base" "$TMP/exported"
    for file in config.json vocab.json merges.txt tokenizer_config.json preprocessor_config.json; do
        cmp "$ORACLE/blip2/$file" "$TMP/out/$file"
    done
}

@test "the exported folder captions as rollout with the policy does" {
    trained "$TMP/run"
    exports_as_policy
    vlrm-weights export --base "$ORACLE/blip2" --policy "$TMP/run/policy/latest" --out "$TMP/half" --dtype f16
    vlrm-weights list "$TMP/half" | awk '{print $2}' | sort -u | grep -qx F16
    vlrm-weights compare "$TMP/out" "$TMP/half" --tolerance 1e-3
}

@test "adapters of the policy are merged into their weights" {
    trained "$TMP/run" --train query,lora-vision,lora-llm --lora-rank 2
    exports_as_policy
}

@test "the delta alone is what was published" {
    trained "$TMP/run" --train projection,lora-llm
    vlrm-weights export --delta-only --policy "$TMP/run/policy/latest" --out "$TMP/delta"
    vlrm-weights compare "$TMP/delta/model.safetensors" "$TMP/run/policy/latest/model.safetensors"
    cmp "$TMP/delta/adapter/adapter_model.safetensors" "$TMP/run/policy/latest/adapter/adapter_model.safetensors"
    cmp "$TMP/delta/adapter/adapter_config.json" "$TMP/run/policy/latest/adapter/adapter_config.json"
}

@test "another base model is refused" {
    trained "$TMP/run"
    vlrm-weights random --shape blip2-tiny --out "$TMP/other"
    exits 6 vlrm-weights export --base "$TMP/other" --policy "$TMP/run/policy/latest" --out "$TMP/out"
    says "is a policy over the base model"
    no [ -e "$TMP/out" ]
    exits 1 vlrm-weights export --base "$ORACLE/blip2" --policy "$TMP/run/policy" --out "$TMP/out"
    exits 2 vlrm-weights export --policy "$TMP/run/policy/latest" --out "$TMP/out"
}

@test "over a base of 16 bits what was trained keeps its digits, and so its captions; a type that rounds is said" {
    vlrm-weights convert --dtype f16 --out "$TMP/f16.safetensors" "$ORACLE/blip2"
    mkdir "$TMP/base"
    cp "$ORACLE"/blip2/*.{json,txt} "$TMP/base"
    mv "$TMP/f16.safetensors" "$TMP/base/model.safetensors"
    rewarded | vlrm-update --model "$TMP/base" --off-policy --batch 6 --max-steps 2 --learning-rate 3e-2 --warmup-steps 0 --value-head linear --compute f32 \
        --run "$TMP/run" > "$TMP/metrics"
    policy=$TMP/run/policy/latest
    vlrm-weights export --base "$TMP/base" --policy "$policy" --out "$TMP/out" 2> "$TMP/said"
    grep -q 'trained tensors stay F32 beside the base' "$TMP/said"
    greedy "$TMP/base" --compute f32 --policy "$policy" > "$TMP/policy"
    greedy "$TMP/out" --compute f32 > "$TMP/exported"
    cmp "$TMP/policy" "$TMP/exported"
    [ "$(vlrm-weights list "$TMP/out" | awk '$1 == "query_tokens" {print $2}')" = F32 ]
    [ "$(vlrm-weights list "$TMP/out" | awk '$1 ~ /^language_model.*fc1.weight/ {print $2}' | sort -u)" = F16 ]
    vlrm-weights export --base "$TMP/base" --policy "$policy" --out "$TMP/half" --dtype f16 2> "$TMP/said"
    grep -q 'trained tensors are rounded from F32 to F16: a caption may now and then differ' "$TMP/said"
}
