#!/usr/bin/env bats
# Pictures cut into tiles as SmolVLM's processor cuts them (--tiles), against transformers' own (tests/golden/models/captioner/smolvlm/tiles).
# bats file_tags=asan

setup() {
    load ../programs/common
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1
    cd "$ROOT/tests/golden/models/captioner/smolvlm" || return
    jq -c 'select(.across == 2) | {id, frame: {path: "tiles/images/\(.id).png"}}' tiles/generate.jsonl | vlrm-cat --from=json > "$TMP/in.vlrm"
}

# captions: of a stream on stdin, a line each.
captions() {
    vlrm-cat | jq -c 'select(.caption)'
}

# generates BINDIR: greedy captions and beams are the reference's, and so are the grids and the log-probabilities.
generates() {
    local across kind how
    for across in 2 3; do
        for kind in greedy beam; do
            how=(--num-beams 5 --no-repeat-ngram-size 2 --min-new-tokens 4 --max-new-tokens 20)
            [ "$kind" = beam ] || how=(--greedy --max-new-tokens 12)
            "$1/vlrm-rollout" --model model --tiles $across "${how[@]}" --compute f32 "$TMP/in.vlrm" 2> "$TMP/said" | captions > "$TMP/found"
            jq -c "select(.across == $across)" tiles/generate.jsonl > "$TMP/expected"
            diff <(jq -c "[.id, .tiles, .$kind]" "$TMP/expected") <(jq -c '[.id, .caption.tiles, .caption.tokens]' "$TMP/found")
            paste -d' ' <(jq '.caption.logp | add' "$TMP/found") <(jq ".${kind}_logp" "$TMP/expected") |
                awk '{ if (($1 - $2) ^ 2 > (1e-5 * $2) ^ 2) exit 1 } END { exit NR != 3 }'
        done
    done
}

@test "captions of pictures that are cut are the reference's, pixels and prompt included" {
    generates "$BIN"
    # Some pictures are cut otherwise than others: what is decoded together changes no byte.
    vlrm-rollout --model model --tiles 3 --sample --num-return 2 --features "$TMP/in.vlrm" | captions > "$TMP/together"
    vlrm-rollout --model model --tiles 3 --sample --num-return 2 --features --decode-batch 1 "$TMP/in.vlrm" | captions | cmp "$TMP/together" -
    jq -se 'map(.features.shape[0] / (.caption.tiles | .[0] * .[1] + 1)) | unique | length == 1' "$TMP/together"
}

@test "the same in the double build" {
    [ -x "$ROOT/build/double/bin/vlrm-rollout" ] || skip "no double build of the programs"
    generates "$ROOT/build/double/bin"
}

@test "small pictures are said; a family that cuts none, more tiles than have names, and the usual one tile" {
    exits 0 vlrm-rollout --model model --tiles 3 --greedy --max-new-tokens 4 "$TMP/in.vlrm"
    says 'record 0000: its image is 61 pixels long, which --tiles 3 makes 96: larger ones show more (vlrm-extract --size)'
    exits 6 vlrm-rollout --model model --tiles 7 --greedy "$TMP/in.vlrm"
    says '--tiles 7: a SmolVLM has names for 6 tiles along an edge'
    exits 6 vlrm-rollout --model ../llava/model --tiles 2 --greedy "$TMP/in.vlrm"
    says '--tiles 2: the model is a LLaVA, whose images are not cut'
    vlrm-rollout --model model --greedy --max-new-tokens 4 "$TMP/in.vlrm" | captions | jq -se 'length == 3 and all(.caption | has("tiles") | not)'
    vlrm-rollout --model model --tiles 4 --plan 20 | jq .memory.images > "$TMP/cut"
    vlrm-rollout --model model --plan 20 | jq ".memory.images < $(cat "$TMP/cut") / 5" | grep -qx true
    vlrm-update --model model --tiles 4 --plan 20 --batch 8 | jq -e '.memory.activations > 0'
}

# learned FROM: the update's probabilities of $TMP/rewarded.vlrm are those that the captions were drawn with.
learned() {
    rm -rf "$TMP/run" "$TMP/dump"
    vlrm-update --model model --batch 6 --off-policy --learning-rate 0.01 --warmup-steps 0 --run "$TMP/run" --dump "$TMP/dump" "$@" "$TMP/rewarded.vlrm" > "$TMP/metrics"
    "$ROOT/tests/models/probabilities.py" "$TMP/dump/step-1.safetensors" <(vlrm-cat "$TMP/rewarded.vlrm" | jq -c 'select(.caption).caption.logp') 20
}

@test "update cuts them as the rollout did, with its features and without, and trains every part" {
    for features in --features --no-features; do
        vlrm-rollout --model model --tiles 3 --sample --num-return 2 --max-new-tokens 8 $features "$TMP/in.vlrm" > "$TMP/captions.vlrm"
        vlrm-cat --bin=base64 "$TMP/captions.vlrm" | jq -c 'select(.batch | not) | if .id then .reward = {returns: (.caption.tokens | map(. % 7 - 3))} else . end' | vlrm-cat --from=json > "$TMP/rewarded.vlrm"
        learned
        cp "$TMP/run/state/step-000001/policy.safetensors" "$TMP/policy$features"
    done
    vlrm-weights compare "$TMP/policy--features" "$TMP/policy--no-features" --tolerance 1e-4
    learned --memory 16
    learned --train projection,lora-llm,lora-vision
    jq -e '.grad_norm | .projection > 0 and .["lora-llm"] > 0 and .["lora-vision"] > 0 and .["value-head"] > 0' "$TMP/metrics"
    vlrm-weights export --base model --policy "$TMP/run/policy/latest" --out "$TMP/export"
    vlrm-rollout --model model --tiles 3 --policy "$TMP/run/policy/step-000001" --greedy "$TMP/in.vlrm" | captions | jq -c .caption.tokens > "$TMP/policy"
    vlrm-rollout --model "$TMP/export" --tiles 3 --greedy "$TMP/in.vlrm" | captions | jq -c .caption.tokens | diff "$TMP/policy" -
    # Captions of pictures that were cut otherwise are refused.
    exits 6 vlrm-update --model model --tiles 2 --batch 6 --off-policy --run "$TMP/other" "$TMP/rewarded.vlrm"
    says 'caption.tiles is [2, 3], expected a grid that --tiles makes'
}
