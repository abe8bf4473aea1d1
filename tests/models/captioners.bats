# Captioners of other families than BLIP-2, from pixels to a policy: against the torch reference (tests/golden/models/captioner).
# bats file_tags=asan

bats_require_minimum_version 1.5.0

setup() {
    load ../programs/common
    FIXTURES=$ROOT/tests/golden/models/captioner
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1
}

# into FAMILY: its folder, with the images' stream in $TMP/in.vlrm.
into() {
    cd "$FIXTURES/$1" || return
    jq -c '{id, frame}' captions.jsonl | head -2 | vlrm-cat --from=json > "$TMP/in.vlrm"
}

# tokens: of each caption on stdin, a line each.
tokens() {
    vlrm-cat | jq -c 'select(.caption).caption.tokens'
}

# scored STREAM: the same with a reward that differs from caption to caption.
scored() {
    vlrm-cat "$1" | jq -c 'select(.id) | .reward = {returns: (.caption.tokens | map(. % 7 - 3))}' | vlrm-cat --from=json
}

# generates BINDIR FAMILY [PROMPT REFERENCE]: greedy captions and beams are the reference's, token for token, and so are their texts and log-probabilities.
generates() {
    local bin=$1 expected=${4:-generate.jsonl} asked=()
    into "$2"
    [ $# -lt 3 ] || asked=(--prompt "$3")
    for kind in greedy beam; do
        local how=(--num-beams 5 --no-repeat-ngram-size 2 --min-new-tokens 4)
        [ "$kind" = beam ] || how=(--greedy)
        "$bin/vlrm-rollout" --model model "${asked[@]}" "${how[@]}" --max-new-tokens 20 --compute f32 "$TMP/in.vlrm" > "$TMP/out.vlrm"
        diff <(jq -c ".$kind" "$expected") <(tokens < "$TMP/out.vlrm")
        diff <(jq -c ".${kind}_text" "$expected") <(vlrm-cat "$TMP/out.vlrm" | jq -c 'select(.caption).caption.text')
        paste -d' ' <(vlrm-cat "$TMP/out.vlrm" | jq 'select(.caption).caption.logp | add') <(jq ".${kind}_logp" "$expected") |
            awk '{ if (($1 - $2) ^ 2 > (1e-5 * $2) ^ 2) exit 1 } END { exit NR != 2 }'
    done
}

@test "greedy captions and beams are the reference's, images and prompt included" {
    for family in smolvlm smolvlm-odd llava instructblip joycaption blip; do generates "$BIN" "$family"; done
}

@test "the same in the double build" {
    [ -x "$ROOT/build/double/bin/vlrm-rollout" ] || skip "no double build of the programs"
    for family in smolvlm smolvlm-odd llava instructblip joycaption blip; do generates "$ROOT/build/double/bin" "$family"; done
}

@test "--prompt asks for something else; a family that takes none says so" {
    into smolvlm
    vlrm-rollout --model model --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens > "$TMP/usual"
    vlrm-rollout --model model --greedy --max-new-tokens 8 --prompt 'Describe the image.' "$TMP/in.vlrm" | tokens | diff "$TMP/usual" -
    vlrm-rollout --model model --greedy --max-new-tokens 8 --prompt 'Where is the dog' "$TMP/in.vlrm" | tokens > "$TMP/asked"
    run ! cmp "$TMP/usual" "$TMP/asked"
    exits 6 vlrm-rollout --model model --greedy --prompt 'before <image> behind' "$TMP/in.vlrm"
    says 'the prompt has <image> in several places, expected 4 side by side'
    exits 6 vlrm-rollout --model "$ROOT/tests/golden/oracle/tiny/blip2" --greedy --prompt x "$TMP/in.vlrm"
    says 'is a BLIP-2 captioner, which takes none'
}

@test "what its processor would do beside is said; a folder without one has the usual sizes" {
    into smolvlm
    cp -r model "$TMP/model"
    jq '.do_image_splitting = true' model/preprocessor_config.json > "$TMP/model/preprocessor_config.json"
    exits 0 vlrm-rollout --model "$TMP/model" --greedy --max-new-tokens 4 "$TMP/in.vlrm"
    says 'an image is one tile here; its own processor would add crops of it'
    rm "$TMP/model/preprocessor_config.json" # four times the square, then the square: as this fixture's says
    vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm" | tokens | diff <(vlrm-rollout --model model --greedy "$TMP/in.vlrm" | tokens) -
    jq '.resample = 3' model/preprocessor_config.json > "$TMP/model/preprocessor_config.json"
    exits 1 vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
    says 'preprocessor_config.resample is 3, expected 1 (Lanczos)'
}

@test "the same network under Idefics3's name; sizes that it cannot have are refused by name" {
    into smolvlm
    cp -r model "$TMP/model"
    refused() {
        jq "$1" model/config.json > "$TMP/model/config.json"
        exits "$2" vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
        says "$3"
    }
    jq '.architectures = ["Idefics3ForConditionalGeneration"] | .model_type = "idefics3"' model/config.json > "$TMP/model/config.json"
    vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm" | tokens | diff <(vlrm-rollout --model model --greedy "$TMP/in.vlrm" | tokens) -
    refused '.vision_config.image_size = 152' 1 'vision_config.image_size is 152, expected a side whose patches have positions of their own'
    refused '.scale_factor = 3' 1 'image_size / patch_size'
    refused '.text_config.model_type = "gemma"' 1 'text_config.model_type is "gemma", expected a language model of the kinds'
    refused '.text_config.hidden_size = 48' 6 'expected'
    refused '.architectures = ["PaliGemmaForConditionalGeneration"]' 6 'found another kind of model (PaliGemmaForConditionalGeneration), expected a captioner (Blip2ForConditionalGeneration, SmolVLMForConditionalGeneration'
}

# follows FAMILY PROMPT [OPTION]: of a training on captions that were asked for so; vlrm-reward with the option.
follows() {
    into "$1"
    local how=(--model model --itm "$ROOT/tests/golden/oracle/tiny/itm" "${@:3}")
    rm -rf "$TMP/run" "$TMP/dump"
    vlrm-rollout --model model --sample --num-return 2 --max-new-tokens 8 --prompt "$2" --features "$TMP/in.vlrm" > "$TMP/captions.vlrm"
    vlrm-reward "${how[@]}" "$TMP/captions.vlrm" > "$TMP/rewarded.vlrm" 2> "$TMP/said"
    grep -q 'its features are of another encoder' "$TMP/said" # the scorer's own has run
    vlrm-update --model model --batch 4 --off-policy --run "$TMP/run" --dump "$TMP/dump" "$TMP/rewarded.vlrm" > "$TMP/metrics"
    "$ROOT/tests/models/probabilities.py" "$TMP/dump/step-1.safetensors" <(vlrm-cat "$TMP/captions.vlrm" | jq -c 'select(.caption).caption.logp') 3
    # Another one is refused where a run goes on.
    vlrm-rollout --model model --sample --seed 2 --num-return 2 --max-new-tokens 8 "$TMP/in.vlrm" | vlrm-reward "${how[@]}" > "$TMP/other.vlrm"
    exits 6 vlrm-update --model model --batch 4 --off-policy --run "$TMP/run" "$TMP/other.vlrm"
    says '--prompt of rollout'
}

@test "update follows the rollout's prompt: its probabilities are those that the captions were drawn with" {
    follows smolvlm-odd 'Name the colours.'
    follows blip 'two dogs' --no-ref
    follows blip '' --no-ref
}

# trains FAMILY: an exported model gives the policy's captions, names are PEFT's and the family's.
trains() {
    into "$1"
    rm -rf "$TMP/run" "$TMP/export"
    vlrm-rollout --model model --sample --num-return 3 --max-new-tokens 8 "$TMP/in.vlrm" > "$TMP/captions.vlrm"
    scored "$TMP/captions.vlrm" > "$TMP/scored.vlrm"
    vlrm-update --model model --batch 6 --off-policy --learning-rate 0.01 --warmup-steps 0 --train projection,lora-llm,lora-vision --run "$TMP/run" "$TMP/scored.vlrm" > "$TMP/metrics"
    jq -e '.grad_norm | .projection > 0 and .["lora-llm"] > 0 and .["lora-vision"] > 0 and .["value-head"] > 0' "$TMP/metrics"
    vlrm-weights list "$TMP/run/policy/latest/adapter/adapter_model.safetensors" | cut -f 1 | grep -v vision > "$TMP/names"
    vlrm-weights list parity.safetensors | cut -f 1 | grep '^base_model' > "$TMP/published"
    case $1 in llava | joycaption) # are called as transformers calls its modules
        sed -i 's/\.language_model\.model\./.model.language_model./' "$TMP/published"
        vlrm-weights list "$TMP/run/policy/latest/adapter/adapter_model.safetensors" | grep -q '^base_model\.model\.model\.vision_tower\.encoder\.layers\.0\.mlp\.fc1\.lora_A\.weight'
        jq -e '.target_modules | all(startswith("model."))' "$TMP/run/policy/latest/adapter/adapter_config.json"
        ;;
    esac
    diff "$TMP/published" "$TMP/names"
    # In f32: a processor with bf16 products computes the half-precision base in bf16 unless told otherwise, but not the export, whose tensors are F32.
    vlrm-rollout --compute f32 --model model --policy "$TMP/run/policy/step-000001" --greedy "$TMP/in.vlrm" | tokens > "$TMP/policy"
    vlrm-rollout --compute f32 --model model --greedy "$TMP/in.vlrm" | tokens > "$TMP/base"
    run ! cmp "$TMP/policy" "$TMP/base"
    vlrm-weights export --base model --policy "$TMP/run/policy/latest" --out "$TMP/export"
    vlrm-rollout --compute f32 --model "$TMP/export" --greedy "$TMP/in.vlrm" | tokens | diff "$TMP/policy" -
}

@test "training moves captions; the exported model gives the policy's; names are PEFT's and the family's" {
    trains smolvlm
    [ "$(vlrm-weights list "$TMP/run/policy/latest/model.safetensors" | cut -f 1)" = model.connector.modality_projection.proj.weight ]
    trains llava
    [ "$(vlrm-weights list "$TMP/run/policy/latest/model.safetensors" | cut -f 1 | grep -c '^multi_modal_projector\.linear_[12]\.\(weight\|bias\)$')" = 4 ]
    trains joycaption
    trains instructblip
    vlrm-weights list "$TMP/run/policy/latest/model.safetensors" | cut -f 1 | grep -qx 'language_projection.weight'
    trains blip
    [ "$(vlrm-weights list "$TMP/run/policy/latest/model.safetensors" | cut -f 1 | grep -c 'crossattention\.self\.\(key\|value\)\.\(weight\|bias\)$')" = 8 ]
}

@test "of several eos_token_id any ends a caption, in beams too" {
    into llava
    cp -r model "$TMP/model"
    while read -r eos; do
        jq --argjson eos "$eos" '.eos_token_id = $eos' model/generation_config.json > "$TMP/model/generation_config.json"
        for kind in greedy beam; do
            local how=(--num-beams 5 --no-repeat-ngram-size 2 --min-new-tokens 4)
            [ "$kind" = beam ] || how=(--greedy)
            vlrm-rollout --model "$TMP/model" "${how[@]}" --max-new-tokens 20 --compute f32 "$TMP/in.vlrm" > "$TMP/out.vlrm" 2> "$TMP/said"
            grep -q 'which its tokenizer has as an ordinary token' "$TMP/said"
            diff <(jq -c "select(.eos == $eos).$kind" ends.jsonl) <(tokens < "$TMP/out.vlrm")
            # The reward has the same ends.
            vlrm-reward --model "$TMP/model" --itm "$ROOT/tests/golden/oracle/tiny/itm" --ref model "$TMP/out.vlrm" > "$TMP/rewarded.vlrm" 2> "$TMP/said"
            vlrm-cat "$TMP/rewarded.vlrm" | jq -se 'map(select(.id)) | length == 2 and all(.[]; .reward.noeos == if .caption.eos then 0 else 1 end)'
        done
    done < <(jq -c .eos ends.jsonl | uniq)
    jq '.eos_token_id = [2, "x"]' model/generation_config.json > "$TMP/model/generation_config.json"
    exits 1 vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
    says 'expected a token id, or a list of one to eight'
}

@test "what is trained unless told otherwise, and a part that it has not" {
    into smolvlm
    exits 0 vlrm-update --count --model model
    says 'projection: 4608 parameters'
    says 'policy: 4608 parameters'
    says 'value-lora: 3936 parameters' # all seven layers of both blocks
    exits 6 vlrm-update --count --model model --train query
    says '--train query: model is a SmolVLM, which has no such part; its first is projection'
}

@test "its language model serves as the reference; doctor, digests and random ones know it" {
    into smolvlm
    exits 0 vlrm-doctor --model model
    says 'a SmolVLM'
    vlrm-weights convert model --dtype bf16 --out "$TMP/half.safetensors"
    vlrm-weights compare model "$TMP/half.safetensors" --tolerance 0.004
    vlrm-weights digest model model.vision_model.embeddings. model.vision_model.encoder.
    vlrm-cat --from=json captions.jsonl | vlrm-reward --model "$ROOT/tests/golden/oracle/tiny/blip2" --ref model --itm "$ROOT/tests/golden/oracle/tiny/itm" > "$TMP/out.vlrm" || [ $? = 3 ]
    vlrm-weights random --shape smolvlm-mini --tokenizer model --out "$TMP/mini"
    vlrm-rollout --model "$TMP/mini" --greedy --max-new-tokens 4 "$TMP/in.vlrm" | tokens | jq -es 'length == 2'
    # Its processor, as it is published: the rows of an image, and the prompt around it.
    jq -e '.image_seq_len == 9 and .processor_class == "SmolVLMProcessor"' "$TMP/mini/processor_config.json" # of 6 x 6 patches
    jq -e '.chat_template | startswith("<|im_start|>") and endswith("{{ \u0027Assistant:\u0027 }}{% endif %}")' "$TMP/mini/chat_template.json"
}

@test "LLaVA: the layer that is read, its tensors where transformers 5 writes them, and what it cannot be" {
    into llava
    cp -r model "$TMP/model"
    vlrm-rollout --model model --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens > "$TMP/usual"
    changed() {
        jq "$1" model/config.json > "$TMP/model/config.json"
        vlrm-rollout --model "$TMP/model" --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens
    }
    changed '.vision_feature_layer = 2' | diff "$TMP/usual" - # of three layers, and the embeddings before them: -2
    run ! cmp <(changed '.vision_feature_layer = -1') "$TMP/usual"
    run ! cmp <(changed '.vision_feature_select_strategy = "full"') "$TMP/usual"
    jq '.vision_config.model_type = "dinov2"' model/config.json > "$TMP/model/config.json"
    exits 1 vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
    says 'vision_config.model_type is "dinov2", expected "clip_vision_model" or "siglip_vision_model"'
    vlrm-weights random --shape llava-mini --tokenizer model --out "$TMP/mini"
    vlrm-rollout --model "$TMP/mini" --greedy --max-new-tokens 4 "$TMP/in.vlrm" | tokens | jq -es 'length == 2'
    exits 0 vlrm-update --count --model "$TMP/mini"
    says 'policy: 33024 parameters' # two linear layers of 128
    exits 0 vlrm-doctor --model model
    says 'a LLaVA'
}

@test "JoyCaption: its chat is its template's, and <|eot_id|> ends a caption; another Llama 3 has no marks around the image" {
    into joycaption
    cp -r model "$TMP/model"
    vlrm-rollout --model model --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens > "$TMP/usual"
    # The template where transformers 5 writes it, and where tokenizers have it.
    rm "$TMP/model/chat_template.json"
    jq -r .chat_template model/chat_template.json > "$TMP/model/chat_template.jinja"
    vlrm-rollout --model "$TMP/model" --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens | diff "$TMP/usual" -
    rm "$TMP/model/chat_template.jinja"
    jq --slurpfile t model/chat_template.json '.chat_template = [{name: "default", template: $t[0].chat_template}]' model/tokenizer_config.json > "$TMP/model/tokenizer_config.json"
    vlrm-rollout --model "$TMP/model" --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens | diff "$TMP/usual" -
    jq '.chat_template[0].template |= gsub("<.reserved_special_token_70.>"; "")' "$TMP/model/tokenizer_config.json" > "$TMP/other"
    mv "$TMP/other" "$TMP/model/tokenizer_config.json"
    run ! cmp <(vlrm-rollout --model "$TMP/model" --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens) "$TMP/usual"
    # No template at all: LLaVA-1.5's prompt, whose <s> this tokenizer lacks.
    jq 'del(.chat_template)' model/tokenizer_config.json > "$TMP/model/tokenizer_config.json"
    exits 6 vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
    says 'no special token for the beginning of "<s>USER: '
    vlrm-weights random --shape joycaption-mini --tokenizer model --out "$TMP/mini"
    vlrm-rollout --model "$TMP/mini" --greedy --max-new-tokens 4 "$TMP/in.vlrm" | tokens | jq -es 'length == 2'
    exits 0 vlrm-doctor --model model
    says 'a LLaVA'
}

@test "InstructBLIP: the queries read the request by their own tokenizer; query, Q-Former and projection are trained" {
    into instructblip
    cp -r model "$TMP/model"
    exits 0 vlrm-update --count --model model
    says 'query: 96 parameters'
    says 'projection: 800 parameters'
    vlrm-rollout --model model --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens > "$TMP/usual"
    vlrm-rollout --model model --greedy --max-new-tokens 8 --prompt 'Name the colours.' "$TMP/in.vlrm" | tokens > "$TMP/asked"
    run ! cmp "$TMP/usual" "$TMP/asked"
    rm -r "$TMP/model/qformer_tokenizer"
    exits 1 vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
    says 'qformer_tokenizer'
    exits 6 vlrm-rollout --model model --greedy --prompt "$(printf 'a %.0s' {1..70})" "$TMP/in.vlrm"
    says 'the request has 72 tokens, expected 1 to 64'
    jq '.text_config.model_type = "opt"' model/config.json > "$TMP/model/config.json"
    exits 6 vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
    says 'text_config.model_type: expected "llama"'
    vlrm-weights random --shape instructblip-mini --tokenizer model --out "$TMP/mini"
    vlrm-rollout --model "$TMP/mini" --greedy --max-new-tokens 4 "$TMP/in.vlrm" | tokens | jq -es 'length == 2'
    exits 1 vlrm-weights random --shape instructblip-mini --tokenizer "$ROOT/tests/golden/models/captioner/llava/model" --out "$TMP/none"
    says 'qformer_tokenizer'
}

@test "BLIP: words before a caption, or none; its captions are texts by BERT's word pieces; what is trained are the image's keys and values" {
    generates "$BIN" blip '' generate-plain.jsonl
    vlrm-rollout --model model --greedy --max-new-tokens 20 "$TMP/in.vlrm" > "$TMP/captions.vlrm"
    diff <(jq -r .greedy_text generate.jsonl) <(vlrm-cat "$TMP/captions.vlrm" | jq -r 'select(.caption).caption.text')
    # A caption without tokens has those of its text; the marks of words fall on the tokens that say them.
    vlrm-cat "$TMP/captions.vlrm" | jq -c 'select(.id) | .caption |= {text: "a photo of a dog, a dog"}' | vlrm-cat --from=json |
        vlrm-reward --model model --ref ../smolvlm/model --itm "$ROOT/tests/golden/blip-itm/tiny" > "$TMP/rewarded.vlrm"
    vlrm-cat "$TMP/rewarded.vlrm" | jq -es '[.[] | select(.reward)] | length == 2 and all(.reward.repeat == [range(18) | if . >= 14 and . < 17 then 1 else 0 end])'
    vlrm-explain --model model --fired "$TMP/rewarded.vlrm" | grep -qx 'repeat "dog": tokens 14 to 16'
    exits 0 vlrm-update --count --model model
    says 'projection: 1216 parameters' # two of 16 x 18 and their biases in both layers
    says 'value-lora: 2176 parameters' # on eight layers of both blocks, none on the image's keys and values, which the policy makes
    exits 6 vlrm-update --count --model model --train qformer
    says 'is a BLIP captioner, which has no such part; its first is projection'
    exits 6 vlrm-reward --model model --ref model --itm "$ROOT/tests/golden/blip-itm/tiny" "$TMP/captions.vlrm"
    says 'its language model attends to an image, expected one that reads text alone'
    cp -r model "$TMP/model"
    refused() {
        jq "$1" model/config.json > "$TMP/model/config.json"
        exits "$2" vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
        says "$3"
    }
    refused '.text_config.is_decoder = false' 1 'text_config.is_decoder is false, expected true'
    refused '.text_config.encoder_hidden_size = 99' 1 'text_config.encoder_hidden_size is 99, expected vision_config.hidden_size'
    refused '.text_config.tie_word_embeddings = false' 1 'text_config.tie_word_embeddings is false, expected true'
    refused '.text_config.hidden_act = "relu"' 1 'text_config.hidden_act is "relu", expected "gelu"'
    refused '.text_config.model_type = "llama"' 1 'text_config'
    refused '.architectures = ["BlipForQuestionAnswering"]' 6 'BlipForQuestionAnswering'
    exits 6 vlrm-rollout --model "$ROOT/tests/golden/blip-itm/tiny" --greedy "$TMP/in.vlrm"
    says 'found a BLIP image-text matching model (BlipForImageTextRetrieval), expected a captioner'
    exits 1 vlrm-rollout --model model --greedy --max-new-tokens 90 "$TMP/in.vlrm"
    says '--max-new-tokens 90: the model has 80 positions'
    exits 0 vlrm-doctor --model model
    says 'a BLIP captioner'
    vlrm-weights random --shape blip-captioning-tiny --tokenizer model --out "$TMP/tiny"
    vlrm-rollout --model "$TMP/tiny" --sample --num-return 4 --max-new-tokens 12 "$TMP/in.vlrm" | tokens | jq -es 'length == 8'
    vlrm-weights convert model --dtype f16 --out "$TMP/half.safetensors"
    vlrm-weights compare model "$TMP/half.safetensors" --tolerance 0.001
}

@test "random ones of true size have the published numbers of parameters" {
    for expected in smolvlm-256m:256484928 smolvlm-500m:507482304 smolvlm-2.2b:2246784880 llava-1.5-7b:7063427072 joycaption-beta-one:8464752496 blip2-opt-6.7b:7752869376 instructblip-vicuna-7b:7913210624 \
        blip-captioning-base:223971644 blip-captioning-large:446290492; do
        vlrm-weights random --shape "${expected%:*}" --zero --dtype bf16 --out "$TMP/zero"
        [ "$(vlrm-weights list "$TMP/zero" | awk '{ n += $NF / 2 } END { printf "%.0f", n }')" = "${expected#*:}" ]
        rm -r "$TMP/zero"
    done
}

@test "--plan says what a step takes" {
    into smolvlm
    vlrm-rollout --model model --plan 20 | jq -e '.memory.activations > 0 and .memory["keys and values"] > 0 and .models[0].parameters > 50000'
    vlrm-update --model model --plan 20 --batch 8 | jq -e '.trained.projection == 4608 and .memory.activations > 0 and .["captions at once"] == 8'
}

@test "preprocessor_config.json of every family: mean and std are followed, what makes other pixels is refused by name; a LLaMA need not be named" {
    for family in smolvlm llava instructblip joycaption blip; do
        into "$family"
        rm -rf "$TMP/model"
        cp -r model "$TMP/model"
        captioned() {
            jq "$1" model/preprocessor_config.json > "$TMP/model/preprocessor_config.json"
            vlrm-rollout --model "$TMP/model" --greedy --max-new-tokens 8 "$TMP/in.vlrm" | vlrm-cat | jq -c 'select(.caption).caption.logp'
        }
        refused() {
            jq "$1" model/preprocessor_config.json > "$TMP/model/preprocessor_config.json"
            exits 1 vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
            says "$2"
        }
        captioned . > "$TMP/usual"
        run ! cmp <(captioned '.image_mean = [0.3, 0.4, 0.5]') "$TMP/usual"
        refused '.do_normalize = false' 'preprocessor_config.do_normalize is false, expected true'
        refused '.do_rescale = false' 'preprocessor_config.do_rescale is false, expected true'
        refused '.do_resize = false' 'preprocessor_config.do_resize is false, expected true'
        refused '.rescale_factor = 0.01' 'expected 1/255'
        [ "$family" = smolvlm ] || refused '.size = {height: 99, width: 99}' "expected the encoder's"
        [ "$family" != llava ] || refused '.size = 99' 'preprocessor_config.size is 99, expected the encoder'
        [ "$family" != llava ] || refused '.crop_size = 99' 'preprocessor_config.crop_size is 99, expected the encoder'
    done
    for family in smolvlm llava joycaption; do
        into "$family"
        rm -rf "$TMP/model"
        cp -r model "$TMP/model"
        jq 'del(.text_config.model_type)' model/config.json > "$TMP/model/config.json"
        vlrm-rollout --model "$TMP/model" --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens |
            diff <(vlrm-rollout --model model --greedy --max-new-tokens 8 "$TMP/in.vlrm" | tokens) -
        vlrm-doctor --model "$TMP/model" > "$TMP/doctor"
    done
}
