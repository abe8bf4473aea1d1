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

# generates BINDIR FAMILY: greedy captions and beams are the reference's, token for token, and so are the log-probabilities.
generates() {
    into "$2"
    for kind in greedy beam; do
        local how=(--num-beams 5 --no-repeat-ngram-size 2 --min-new-tokens 4)
        [ "$kind" = beam ] || how=(--greedy)
        "$1/vlrm-rollout" --model model "${how[@]}" --max-new-tokens 20 --compute f32 "$TMP/in.vlrm" > "$TMP/out.vlrm"
        diff <(jq -c ".$kind" generate.jsonl) <(tokens < "$TMP/out.vlrm")
        paste -d' ' <(vlrm-cat "$TMP/out.vlrm" | jq 'select(.caption).caption.logp | add') <(jq ".${kind}_logp" generate.jsonl) |
            awk '{ if (($1 - $2) ^ 2 > (1e-5 * $2) ^ 2) exit 1 } END { exit NR != 2 }'
    done
}

@test "greedy captions and beams are the reference's, images and prompt included" {
    for family in smolvlm smolvlm-odd llava instructblip; do generates "$BIN" "$family"; done
}

@test "the same in the double build" {
    [ -x "$ROOT/build/double/bin/vlrm-rollout" ] || skip "no double build of the programs"
    for family in smolvlm smolvlm-odd llava instructblip; do generates "$ROOT/build/double/bin" "$family"; done
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

@test "update follows the rollout's prompt: its probabilities are those that the captions were drawn with" {
    into smolvlm-odd
    vlrm-rollout --model model --sample --num-return 2 --max-new-tokens 8 --prompt 'Name the colours.' --features "$TMP/in.vlrm" > "$TMP/captions.vlrm"
    vlrm-reward --model model --itm "$ROOT/tests/golden/oracle/tiny/itm" "$TMP/captions.vlrm" > "$TMP/rewarded.vlrm" 2> "$TMP/said"
    grep -q 'its features are of another encoder' "$TMP/said" # the scorer's own has run
    vlrm-update --model model --batch 4 --off-policy --run "$TMP/run" --dump "$TMP/dump" "$TMP/rewarded.vlrm" > "$TMP/metrics"
    python3 - "$TMP/dump/step-1.safetensors" <(vlrm-cat "$TMP/captions.vlrm" | jq -c 'select(.caption).caption.logp') <<'P'
import array, json, math, struct, sys
with open(sys.argv[1], "rb") as f:
    header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    begin, end = header["p"]["data_offsets"]
    f.seek(begin, 1)
    p = array.array("d" if header["p"]["dtype"] == "F64" else "f", f.read(end - begin))
logp = [x for line in open(sys.argv[2]) for x in json.loads(line)]
assert len(p) == len(logp) > 20 and all(abs(math.log(a) - b) < 1e-4 for a, b in zip(p, logp)), max(abs(math.log(a) - b) for a, b in zip(p, logp))
P
    # Another one is refused where a run goes on.
    vlrm-rollout --model model --sample --seed 2 --num-return 2 --max-new-tokens 8 "$TMP/in.vlrm" | vlrm-reward --model model --itm "$ROOT/tests/golden/oracle/tiny/itm" > "$TMP/other.vlrm"
    exits 6 vlrm-update --model model --batch 4 --off-policy --run "$TMP/run" "$TMP/other.vlrm"
    says '--prompt of rollout'
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
    vlrm-weights list parity.safetensors | cut -f 1 | grep '^base_model' | diff - "$TMP/names"
    vlrm-rollout --model model --policy "$TMP/run/policy/step-000001" --greedy "$TMP/in.vlrm" | tokens > "$TMP/policy"
    vlrm-rollout --model model --greedy "$TMP/in.vlrm" | tokens > "$TMP/base"
    run ! cmp "$TMP/policy" "$TMP/base"
    vlrm-weights export --base model --policy "$TMP/run/policy/latest" --out "$TMP/export"
    vlrm-rollout --model "$TMP/export" --greedy "$TMP/in.vlrm" | tokens | diff "$TMP/policy" -
}

@test "training moves captions; the exported model gives the policy's; names are PEFT's and the family's" {
    trains smolvlm
    [ "$(vlrm-weights list "$TMP/run/policy/latest/model.safetensors" | cut -f 1)" = model.connector.modality_projection.proj.weight ]
    trains llava
    [ "$(vlrm-weights list "$TMP/run/policy/latest/model.safetensors" | cut -f 1 | grep -c '^multi_modal_projector\.linear_[12]\.\(weight\|bias\)$')" = 4 ]
    trains instructblip
    vlrm-weights list "$TMP/run/policy/latest/model.safetensors" | cut -f 1 | grep -qx 'language_projection.weight'
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
    jq '.vision_config.model_type = "siglip_vision_model"' model/config.json > "$TMP/model/config.json"
    exits 1 vlrm-rollout --model "$TMP/model" --greedy "$TMP/in.vlrm"
    says 'vision_config.model_type is "siglip_vision_model", expected "clip_vision_model"'
    vlrm-weights random --shape llava-mini --tokenizer model --out "$TMP/mini"
    vlrm-rollout --model "$TMP/mini" --greedy --max-new-tokens 4 "$TMP/in.vlrm" | tokens | jq -es 'length == 2'
    exits 0 vlrm-update --count --model "$TMP/mini"
    says 'policy: 33024 parameters' # two linear layers of 128
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
}

@test "random ones of true size have the published numbers of parameters" {
    for expected in smolvlm-256m:256484928 smolvlm-500m:507482304 smolvlm-2.2b:2246784880 llava-1.5-7b:7063427072 blip2-opt-6.7b:7752869376; do
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
