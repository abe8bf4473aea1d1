# vlrm-doctor: the bundled models through every kernel table, the machine, a checkpoint; and what is wrong is named.
# shellcheck disable=SC2016 # jq has dollars

setup() {
    load common
    cd "$BATS_TEST_TMPDIR" || return
    export VLRM_THREADS=1
}

@test "every table agrees with torch; the machine; lines and JSON" {
    exits 0 vlrm-doctor
    says 'plain f32: vision encoder'
    [ "${lines[-1]}" = "$((${#lines[@]} - 1)) checks, 0 failed" ]
    vlrm-doctor --json >doctor.json
    jq -e '.failed == 0 and .first_failed == null and ([.checks[].check | select(startswith("plain f32: "))] | length) == 20 and
        all(.checks[] | select(.bound != null); .value <= .bound and .value > 0 and (.layers | max) == .value)' doctor.json
    jq -e '[.checks[] | select(.check | startswith("plain f32: ")) | .layers | length] == [3, 5, 3, 1, 5, 3, 3] + [range(13) | 2]' doctor.json
    jq -e '.checks[] | select(.check == "memory bandwidth").says | test("^a product of one row reads weights at [0-9.]+ GB/s by 1 threads, [0-9.]+ of the expected: [0-9.]+ in plain reads by 1 ")' doctor.json
    jq -e '[.checks[] | select(.check | startswith("library ")).check] | contains(["library libavcodec", "library zstd", "library OpenBLAS", "library MPI"])' doctor.json
}

# spoil FILE WORD...: some weights of the first tensor whose name has these words become 0.
spoil() {
    python3 - "$@" <<'PYTHON'
import json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
size = struct.unpack("<Q", data[:8])[0]
head = json.loads(data[8:8 + size])
name = next(n for n in sorted(head) if all(word in n for word in sys.argv[2:]))
at = 8 + size + head[name]["data_offsets"][0]
data[at:at + 64] = bytes(64)
open(sys.argv[1], "wb").write(data)
PYTHON
}

@test "a part that is wrong is the first that is named, in every family" {
    cp -r "$ROOT/share/doctor" golden
    for spoilt in "smolvlm text_model layers.1. down_proj|SmolVLM, language model, layer 2 of 2" "llava vision layers.0. fc1.weight|LLaVA, images, layer 1 of 2" \
        "instructblip qformer layer.1. query.weight|InstructBLIP, Q-Former, layer 2 of 2" "siglip text_model layers.1. fc1.weight|SigLIP, texts, layer 2 of 2" \
        "blip-itm vision layers.1. fc1.weight|BLIP ITM, images and texts, layer 2 of 2" "llama layers.0. down_proj|LLaMa, texts, layer 1 of 2" \
        "blip text_decoder layer.1. intermediate|BLIP, language model, layer 2 of 2" "blip vision layers.1. fc1.weight|BLIP, images, layer 2 of 2"; do
        read -r family words <<<"${spoilt%|*}"
        # shellcheck disable=SC2086 # words
        spoil golden/families/"$family"/model.safetensors $words
        exits 7 vlrm-doctor --golden golden
        says "failed, the first is plain f32: ${spoilt#*|}"
        cp "$ROOT/share/doctor/families/$family/model.safetensors" golden/families/"$family"
    done
}

# bats test_tags=asan
@test "a part that is wrong is the first that is named" {
    cp -r "$ROOT/share/doctor" golden
    # One weight of the Q-Former's third layer: what comes before it is right still, what it feeds is wrong.
    spoil golden/blip2/model.safetensors qformer. .2. query.weight
    exits 7 vlrm-doctor --golden golden
    says 'failed, the first is plain f32: Q-Former, layer 3 of 5'
    cp "$ROOT"/share/doctor/families/siglip/expected/values.safetensors golden/families/llama/expected
    exits 7 vlrm-doctor --golden golden
    says 'families/llama/expected/values.safetensors: no tensor tokens'
    exits 7 vlrm-doctor --golden nowhere
    says 'nowhere/parity.safetensors'
    exits 2 vlrm-doctor golden
}

# bats test_tags=asan
@test "checkpoints: what they are; a value that is none, a tokenizer of another model" {
    oracle=$ROOT/tests/golden/oracle/tiny
    vlrm-doctor --json --model "$oracle/blip2" --model "$oracle/itm" --model "$oracle/clip" >models.json
    jq -e '.failed == 0 and ([.checks[] | select(.check == "model").says] | length == 3 and (.[0] | test("BLIP-2 captioner")) and (.[1] | test("BLIP-2 image-text matching model")) and (.[2] | test("CLIP")))' models.json
    [ "$(jq -r '[.checks[] | select(.check == "digest").says][0]' models.json)" = "$(vlrm-weights digest "$oracle/blip2" | grep -oE '[0-9a-f]{16}' | head -n 1)" ]
    cp -rL "$oracle/blip2" broken
    chmod -R u+w broken
    python3 - broken/model.safetensors <<'PYTHON'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-4:] = struct.pack("<I", 0x7fc07fc0)  # NaN as f32, and as two bf16
open(sys.argv[1], "wb").write(data)
PYTHON
    exits 7 vlrm-doctor --model broken
    says 'is not finite'
    rm broken/config.json
    exits 7 vlrm-doctor --model broken
    says 'broken/config.json'
}

@test "a language model; another kind is refused, naming what is known" {
    vlrm-weights random --shape llama-mini --tokenizer "$ROOT/tests/golden/tokenizers/llama2" --out lm
    vlrm-doctor --json --model lm > models.json
    jq -e '.failed == 0 and ([.checks[] | select(.check == "model").says] | .[0] | test("is a language model"))' models.json
    mkdir other
    echo '{"architectures": ["BertModel"], "model_type": "bert"}' > other/config.json
    exits 7 vlrm-doctor --model other
    says "other/config.json: found another kind of model (BertModel), expected one of Blip2ForConditionalGeneration, "
    says ", BlipForImageTextRetrieval, CLIPModel, SiglipModel, "
}
