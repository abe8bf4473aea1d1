# Every kind of CLIP as --clip: OpenAI's, Long-CLIP's and open_clip's own layout give the cosines of those who publish them.

setup() {
    load oracle
    oracle_setup
    cd "$ROOT/tests/golden/clip" || return
}

# cosines FOLDER: captions that are not cut (recall has 300 characters) against the publisher's cosines.
cosines() {
    cd "$1" || return
    jq -c 'select(.caption.text | length <= 300)' captions.jsonl > "$TMP/lines"
    vlrm-cat --from=json "$TMP/lines" | vlrm-eval --clip . --no-references --per-image "$TMP/each" > "$TMP/report"
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
