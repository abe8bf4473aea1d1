# A model of the wrong kind, a tokenizer of another model: what was found, what was expected, exit 6.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    small=$ORACLE/blip2
}

# refused COMMAND...: exit 6, whatever comes on stdin.
refused() {
    captions > "$TMP/in.vlrm"
    exits 6 "$@" "$TMP/in.vlrm"
}

@test "a CLIP given as --itm, and every other exchange: said by name" {
    refused vlrm-reward --model "$small" --itm "$ORACLE/clip"
    says "$ORACLE/clip/config.json: found a CLIP (CLIPModel), expected a BLIP-2 image-text matching model (Blip2ForImageTextRetrieval)"
    refused vlrm-reward --model "$small" --itm "$small"
    says "found a BLIP-2 captioner (Blip2ForConditionalGeneration), expected a BLIP-2 image-text matching model"
    refused vlrm-reward --model "$small" --itm "$ORACLE/itm" --clip "$ORACLE/itm"
    says "found a BLIP-2 image-text matching model (Blip2ForImageTextRetrieval), expected a CLIP (CLIPModel)"
    refused vlrm-reward --model "$small" --itm "$ORACLE/itm" --ref "$ORACLE/clip"
    says "found a CLIP (CLIPModel), expected a language model (OPTForCausalLM)"
    refused vlrm-rollout --model "$ORACLE/clip"
    says "found a CLIP (CLIPModel), expected a captioner (Blip2ForConditionalGeneration"
    refused vlrm-update --run "$TMP/run" --model "$ORACLE/itm"
    says "expected a captioner (Blip2ForConditionalGeneration"
    refused vlrm-eval --clip "$small"
    says "expected a CLIP (CLIPModel)"
}

@test "a kind that is not of the suite, and one that config.json does not name" {
    mkdir "$TMP/bert" "$TMP/plain"
    echo '{"architectures": ["BertModel"], "model_type": "bert"}' > "$TMP/bert/config.json"
    refused vlrm-rollout --model "$TMP/bert"
    says "$TMP/bert/config.json: found another kind of model (BertModel), expected a captioner (Blip2ForConditionalGeneration"
    cp -r "$small/." "$TMP/plain"
    jq 'del(.architectures, .model_type)' "$small/config.json" > "$TMP/plain/config.json"
    captions | vlrm-rollout --model "$TMP/plain" --greedy | cmp <(vlrm-cat --fields caption | tail -n +2) \
        <(captions | vlrm-rollout --model "$small" --greedy | vlrm-cat --fields caption | tail -n +2)
}

@test "explain with another model's tokenizer is refused, not answered with other words" {
    rewarded | vlrm-reward --recombine --model "$small" > "$TMP/t.vlrm"
    exits 6 vlrm-explain --model "$ORACLE/clip" "$TMP/t.vlrm"
    says "$ORACLE/clip: its tokenizer is CLIP's BPE, expected a language model's"
    mkdir "$TMP/other"
    cp "$small"/{merges.txt,tokenizer_config.json} "$TMP/other"
    jq '.a as $a | .a = .e | .e = $a' "$small/vocab.json" > "$TMP/other/vocab.json"
    exits 6 vlrm-explain --model "$TMP/other" "$TMP/t.vlrm"
    says "record 0"
    says "with the tokenizer of $TMP/other caption.tokens say \""
    says "give --model the captioner that wrote them"
}

@test "a BLIP-2 around another language model than OPT" {
    mkdir "$TMP/vicuna"
    cp -r "$small/." "$TMP/vicuna"
    jq '.text_config = {model_type: "llama", hidden_size: 32, num_attention_heads: 2, vocab_size: 600}' "$small/config.json" > "$TMP/vicuna/config.json"
    captions > "$TMP/in.vlrm"
    exits 6 vlrm-rollout --model "$TMP/vicuna" "$TMP/in.vlrm"
    says 'text_config.model_type: expected "opt", the one language model that is known behind this Q-Former'
}

@test "weights that are no numbers: no caption, no reward, no score is made of them" {
    captions > "$TMP/in.vlrm"
    damaged() {
        cp -r "$ORACLE/$1" "$TMP/$1"
        "$ROOT/tests/models/damage_weights.py" "$TMP/$1/model.safetensors" "$2"
    }
    damaged blip2 language_model.model.decoder.layers.0.fc1.bias
    damaged itm vision_model.post_layernorm.bias
    damaged clip visual_projection.weight
    for how in --greedy --sample '--num-beams 3' '--sample --num-return 2'; do
        # shellcheck disable=SC2086  # several words
        exits 3 vlrm-rollout --model "$TMP/blip2" --max-new-tokens 4 $how "$TMP/in.vlrm"
        says 'the model gives a log-probability that is no number'
        says 'done 0,'
    done
    exits 3 vlrm-reward --model "$small" --itm "$ORACLE/itm" --ref "$TMP/blip2" "$TMP/in.vlrm"
    says 'the reference model gives nan, expected a number'
    exits 3 vlrm-reward --model "$small" --itm "$TMP/itm" "$TMP/in.vlrm"
    says 'ITM gives nan, expected a number'
    exits 3 vlrm-reward --model "$small" --itm "$ORACLE/itm" --clip "$TMP/clip" "$TMP/in.vlrm"
    says 'CLIP gives nan, expected a number'
    exits 1 vlrm-eval --clip "$TMP/clip" "$TMP/in.vlrm"
    says 'CLIP gives nan, expected a number'
    exits 1 vlrm-eval --clip "$ORACLE/clip" --itm "$TMP/itm" "$TMP/in.vlrm"
    says 'ITM gives nan, expected a number'
}
