# Every kind of scorer: OpenAI's CLIP, Long-CLIP, open_clip's own layout and SigLIP as --clip give the cosines of those who publish them,
# BLIP as --itm its logits.

setup() {
    load ../programs/oracle
    oracle_setup
    cd "$ROOT/tests/golden/clip" || return
}

# cosines FOLDER: captions that are not cut (recall has 300 characters) against the publisher's cosines.
cosines() {
    cd "$1" || return
    jq -c 'select(.caption.text | length <= 300)' captions.jsonl > "$TMP/lines"
    vlrm-cat --from=json "$TMP/lines" | vlrm-eval --compute f32 --clip . --no-references --per-image "$TMP/each" > "$TMP/report"
    paste -d' ' <(jq .cosine "$TMP/each") <(jq .cosine "$TMP/lines") | near 1e-5
}

@test "OpenAI's CLIP: quick_gelu where hidden_act is missing, the row of the largest id" {
    cosines openai
}

@test "Long-CLIP: 248 positions" {
    cosines long
}

@test "open_clip's own layout: its configuration, its names, mean and std; safetensors and .bin, text tower inside and apart" {
    cosines open-clip
    cosines "$ROOT/tests/golden/clip/open-clip-text"
}

# copy FOLDER: a copy to spoil.
copy() {
    cp -r "$1" "$TMP/clip"
    cd "$TMP/clip" || return
    jq -c 'select(.caption.text | length <= 300)' captions.jsonl | vlrm-cat --from=json > in.vlrm
}

@test "Hugging Face's files win over open_clip's in one folder" {
    copy openai
    cp "$ROOT/tests/golden/clip/open-clip"/open_clip* .
    exits 0 vlrm-eval --clip . --no-references in.vlrm
    rm model.safetensors config.json
    exits 0 vlrm-eval --clip . --no-references in.vlrm
    rm open_clip_config.json
    exits 1 vlrm-eval --clip . --no-references in.vlrm
    says "open ./open_clip_config.json: No such file"
}

@test "pytorch_model.bin loads as model.safetensors does" {
    copy open-clip-text
    exits 0 vlrm-weights list .
    says "text.token_embedding.weight"
    mv open_clip_pytorch_model.bin pytorch_model.bin
    exits 0 vlrm-eval --clip . --no-references in.vlrm
}

@test "what makes another network is refused by name" {
    copy openai
    sed -i 's/"vision_config": {/&"hidden_act": "silu",/' config.json
    exits 1 vlrm-eval --clip . --no-references in.vlrm
    says 'config.json: vision_config.hidden_act is "silu", expected "gelu" or "quick_gelu"'
    rm -r "$TMP/clip"
    cd "$ROOT/tests/golden/clip"
    copy open-clip
    jq '.model_cfg.vision_cfg.timm_model_name = "vit_base"' open_clip_config.json > c && cp c open_clip_config.json
    exits 1 vlrm-eval --clip . --no-references in.vlrm
    says 'open_clip_config.json: vision_cfg.timm_model_name is "vit_base", expected nothing'
    jq 'del(.model_cfg.vision_cfg.timm_model_name) | .preprocess_cfg.resize_mode = "squash"' open_clip_config.json > c && cp c open_clip_config.json
    exits 1 vlrm-eval --clip . --no-references in.vlrm
    says 'preprocess_cfg.resize_mode is "squash", expected "shortest"'
}

@test "SigLIP: tokenizer.json and spiece.model; SigLIP 2, bilinear and with Gemma's tokenizer" {
    cosines "$ROOT/tests/golden/siglip/tiny"
    cosines "$ROOT/tests/golden/siglip/odd"
    cosines "$ROOT/tests/golden/siglip/v2"
}

@test "the reward looks with a SigLIP: the cosines of the evaluation, and Phi" {
    cd "$ORACLE/f64"
    captions | vlrm-reward --model "$ORACLE/blip2" --no-itm --no-ref --clip "$ROOT/tests/golden/siglip/odd" --batch 6 |
        vlrm-cat | jq -c '.reward.parts // empty' > "$TMP/parts"
    captions | vlrm-eval --clip "$ROOT/tests/golden/siglip/odd" --no-references --per-image "$TMP/each" > "$TMP/report"
    paste -d' ' <(jq .cosine "$TMP/parts") <(jq .cosine "$TMP/each") | near 1e-6
    [ "$(jq -s 'map(.phi) | unique | length > 1' "$TMP/parts")" = true ]
}

@test "plan, doctor and weights know SigLIP" {
    odd=$ROOT/tests/golden/siglip/odd
    vlrm-reward --model "$ORACLE/blip2" --no-itm --no-ref --clip "$odd" --plan 20 > "$TMP/plan"
    jq -e '.models[] | select(.option == "clip") | .parameters == 162798' "$TMP/plan"
    vlrm-doctor --json --model "$odd" > "$TMP/checks"
    jq -e .failed==0 "$TMP/checks"
    grep "is a SigLIP; every name and shape is as its config.json says" "$TMP/checks"
    vlrm-weights random --shape siglip-tiny --tokenizer "$odd" --out "$TMP/made"
    vlrm-weights list "$TMP/made" | grep '^vision_model.head.probe'
    [ "$(vlrm-weights digest "$TMP/made")" != "$(vlrm-weights digest "$odd")" ]
    cd "$odd"
    vlrm-cat --from=json captions.jsonl | vlrm-eval --clip "$TMP/made" --no-references | jq -e '.runs[0].images == 6'
    for shape in siglip-base-patch16-224=203155970 siglip2-base-patch16-224=375187970; do
        vlrm-weights random --shape "${shape%=*}" --zero --out "$TMP/z"
        [ "$(vlrm-weights list "$TMP/z" | awk -F'\t' '{ n += $4 / 4 } END { print n }')" = "${shape#*=}" ]
    done
}

@test "what makes another network than SigLIP's is refused by name" {
    cp -r "$ROOT/tests/golden/siglip/tiny" "$TMP/siglip"
    cd "$TMP/siglip"
    vlrm-cat --from=json captions.jsonl > in.vlrm
    other() {
        jq "$1" "$ROOT/tests/golden/siglip/tiny/config.json" > config.json
        exits "$2" vlrm-eval --clip . --no-references in.vlrm
    }
    other '.text_config.hidden_act = "gelu"' 1
    says 'config.json: text_config.hidden_act is "gelu", expected "gelu_pytorch_tanh"'
    other '.text_config.projection_size = 31' 1
    says 'text_config.projection_size is 31, expected vision_config.hidden_size 32'
    other '.text_config.vocab_size = 95' 6
    says 'text_model.embeddings.token_embedding.weight'
    other '.architectures = ["Siglip2Model"] | .model_type = "siglip2"' 6
    says 'found another kind of model (Siglip2Model), expected a CLIP (CLIPModel) or a SigLIP (SiglipModel)'
    cp "$ROOT/tests/golden/siglip/tiny/config.json" .
    cp "$ROOT/tests/golden/clip/openai"/{vocab.json,merges.txt} .
    rm tokenizer.json tokenizer_config.json special_tokens_map.json
    exits 6 vlrm-eval --clip . --no-references in.vlrm
    says "its tokenizer is CLIP's BPE, expected SigLIP's unigram model or a SentencePiece BPE"
}

# logits FOLDER LIMIT KEY: of texts read up to LIMIT ids, against the publisher's.
logits() {
    cd "$1" || return
    vlrm-cat --from=json captions.jsonl > "$TMP/in.vlrm"
    vlrm-eval --compute f32 --clip "$ROOT/tests/golden/siglip/odd" --itm . --itm-max-tokens "$2" --no-references --per-image "$TMP/each" "$TMP/in.vlrm" > "$TMP/report"
    paste -d' ' <(jq .itm "$TMP/each") <(jq ".$3" captions.jsonl) | near 1e-5
}

@test "BLIP as --itm: whole texts, and cut at 35 ids as Salesforce cut them" {
    for size in tiny odd; do
        logits "$ROOT/tests/golden/blip-itm/$size" 512 itm
        logits "$ROOT/tests/golden/blip-itm/$size" 35 itm_35
    done
}

@test "the reward by a BLIP is the evaluation's; features of another encoder are not used" {
    blip=$ROOT/tests/golden/blip-itm/odd
    cd "$ORACLE/f64"
    captions | vlrm-reward --model "$ORACLE/blip2" --itm "$blip" --no-ref --itm-max-tokens 40 > "$TMP/r.vlrm"
    captions | vlrm-eval --clip "$ORACLE/clip" --itm "$blip" --itm-max-tokens 40 --no-references --per-image "$TMP/each" > "$TMP/report"
    paste -d' ' <(vlrm-cat "$TMP/r.vlrm" | jq '.reward.parts.itm // empty') <(jq .itm "$TMP/each") | near 1e-6
    captions | vlrm-rollout --model "$ORACLE/blip2" --greedy --features > "$TMP/f.vlrm"
    exits 0 vlrm-reward --model "$ORACLE/blip2" --itm "$blip" --no-ref "$TMP/f.vlrm"
    says "its features are of another encoder than $blip's"
}

@test "plan, doctor and weights know BLIP's matching model" {
    odd=$ROOT/tests/golden/blip-itm/odd
    vlrm-reward --model "$ORACLE/blip2" --itm "$odd" --no-ref --plan 20 | jq -e '.models[] | select(.option == "itm") | .parameters == 188896'
    vlrm-doctor --json --model "$odd" > "$TMP/checks"
    jq -e .failed==0 "$TMP/checks"
    grep "is a BLIP image-text matching model; every name and shape is as its config.json says" "$TMP/checks"
    vlrm-weights random --shape blip-itm-tiny --tokenizer "$odd" --out "$TMP/made"
    cd "$ORACLE/f64"
    captions | vlrm-reward --model "$ORACLE/blip2" --itm "$TMP/made" --no-ref | vlrm-cat | jq -se 'map(.reward.parts.itm // empty) | unique | length > 3'
    vlrm-weights random --shape blip-itm-base --zero --out "$TMP/z"
    [ "$(vlrm-weights list "$TMP/z" | awk -F'\t' '{ n += $4 / 4 } END { print n }')" = 223744258 ]
    jq '.text_config.is_decoder = false' "$odd/config.json" > "$TMP/z/config.json"
    captions > "$TMP/in.vlrm"
    exits 1 vlrm-reward --model "$ORACLE/blip2" --itm "$TMP/z" --no-ref "$TMP/in.vlrm"
    says 'text_config.is_decoder is false, expected true'
}

@test "a tokenizer with more ids than the model has rows is said, not looked up" {
    for model in siglip/tiny blip-itm/tiny; do
        cp -r "$ROOT/tests/golden/$model" "$TMP/${model%/*}"
    done
    cd "$TMP"
    jq '.model.vocab += [["aquamarine", 0]]' siglip/tokenizer.json > t && mv t siglip/tokenizer.json
    yes extra | head -400 | awk '{ print $1 NR }' >> blip-itm/vocab.txt
    cd siglip
    jq -nc '{id: "a", frame: {path: "images/0000.png"}, caption: {text: "aquamarine extra399"}}' | vlrm-cat --from=json > in.vlrm
    exits 1 vlrm-eval --clip . --no-references in.vlrm
    says "the tokenizer's id 96 has no row in the model's table of 96"
    exits 1 vlrm-eval --clip "$ROOT/tests/golden/siglip/odd" --itm ../blip-itm --no-references in.vlrm
    says "has no row in the model's table of 224"
}

@test "a processor that makes other pixels is refused by name" {
    for kind in clip/openai siglip/tiny; do
        rm -rf "$BATS_TEST_TMPDIR/model"
        cp -r "$ROOT/tests/golden/$kind" "$BATS_TEST_TMPDIR/model"
        for change in do_normalize=false rescale_factor=0.01 size=99; do
            jq ".${change%=*} = ${change#*=}" "$ROOT/tests/golden/$kind/preprocessor_config.json" > "$BATS_TEST_TMPDIR/model/preprocessor_config.json"
            exits 1 vlrm-eval --clip "$BATS_TEST_TMPDIR/model" /dev/null
            says "preprocessor_config.${change%=*} is ${change#*=}, expected"
        done
    done
}
