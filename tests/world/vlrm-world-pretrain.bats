#!/usr/bin/env bats
# vlrm-world-pretrain: each lesson, a few steps long, on a few clips.
load ../programs/common

setup_file() {
    load ../programs/common
    export WORLD=$BATS_FILE_TMPDIR
    vlrm-world-render --seed 3 --split train --clips 6 --size 96 --out "$WORLD/clips"
    vlrm-extract "$WORLD"/clips/*.mp4 >"$WORLD/frames.vlrm"
    vlrm-world-pretrain --lesson words --model "$WORLD/words"
    vlrm-weights random --shape blip2-mini --tokenizer "$WORLD/words/opt" --out "$WORLD/captioner"
    vlrm-weights random --shape itm-mini --tokenizer "$WORLD/words/bert" --out "$WORLD/itm"
    vlrm-weights random --shape clip-mini --tokenizer "$WORLD/words/clip" --out "$WORLD/clip"
    vlrm-weights random --shape smolvlm-mini --tokenizer "$WORLD/words/smolvlm" --out "$WORLD/smolvlm"
    vlrm-weights random --shape llama-mini --tokenizer "$WORLD/words/llama" --out "$WORLD/language"
}

# lesson NAME MODEL OPTIONS...: taught to a copy of the model called MODEL in this test's folder.
lesson() {
    [ -d "$BATS_TEST_TMPDIR/$2" ] || cp -r "$WORLD/$2" "$BATS_TEST_TMPDIR/$2"
    vlrm-world-pretrain -v --lesson "$1" --model "$BATS_TEST_TMPDIR/$2" --truth "$WORLD/clips" --threads 1 --batch 6 "${@:3}" \
        "$WORLD/frames.vlrm"
}

# falls: the losses in the output go down, from the first line of the log to the last.
falls() {
    local first last
    first=$(grep -o 'loss [0-9.]*' <<<"$output" | head -n 1) last=$(grep -o 'loss [0-9.]*' <<<"$output" | tail -n 1)
    awk -v a="${first#loss }" -v b="${last#loss }" 'BEGIN { exit !(b < 0.8 * a) }' || { echo "$first, then $last"; return 1; }
}

# encoder MODEL: the digest of the taught model's encoder.
encoder() { vlrm-weights digest "$BATS_TEST_TMPDIR/$1" vision_model.embeddings. vision_model.encoder.; }

@test "the tokenizers keep common words whole and leave others in pieces" {
    run vlrm-tokenize "$WORLD/words/opt" <<<'"a red circle beside a box"'
    says '"Ġcircle"'
    no grep -q '"Ġbeside"' <<<"$output"
}

@test "an encoder learns to see, a captioner to speak, a scorer to match from where the captioner is" {
    exits 0 lesson see captioner --steps 400 --learning-rate 1e-3
    falls
    exits 0 lesson caption captioner --steps 400 --learning-rate 1e-3
    falls
    vlrm-rollout --model "$BATS_TEST_TMPDIR/captioner" --greedy "$WORLD/frames.vlrm" >"$BATS_TEST_TMPDIR/captions.vlrm"
    exits 0 lesson match itm --from "$BATS_TEST_TMPDIR/captioner" --steps 2
    vlrm-reward --model "$BATS_TEST_TMPDIR/captioner" --itm "$BATS_TEST_TMPDIR/itm" "$BATS_TEST_TMPDIR/captions.vlrm" | vlrm-cat --count
    # the encoder is the captioner's own
    [ "$(encoder captioner)" = "$(encoder itm)" ]
}

@test "a SmolVLM learns to see and to speak behind its prompt; its folder is as it is published" {
    exits 0 lesson see smolvlm --steps 400 --learning-rate 1e-3
    falls
    exits 0 lesson caption smolvlm --steps 400 --batch 2 --learning-rate 1e-3
    falls
    vlrm-rollout --model "$BATS_TEST_TMPDIR/smolvlm" --greedy "$WORLD/frames.vlrm" | vlrm-cat | jq -r 'select(.caption).caption.text' >"$BATS_TEST_TMPDIR/said"
    grep -q '^an\? ' "$BATS_TEST_TMPDIR/said" # the space behind the prompt is no part of a caption
    for file in chat_template config generation_config preprocessor_config processor_config tokenizer tokenizer_config; do
        jq -e . "$BATS_TEST_TMPDIR/smolvlm/$file.json"
    done
    jq -e '.image_seq_len == 9' "$BATS_TEST_TMPDIR/smolvlm/processor_config.json" # 6 x 6 patches, four in a row
    # What the prompt is made of is few pieces: it stands before every caption.
    [ "$(vlrm-tokenize "$BATS_TEST_TMPDIR/smolvlm" <<<'"User:Describe the image."' | jq '.ids | length')" -le 6 ]
}

@test "a language model learns true captions without a frame, and is a reference by another tokenizer" {
    cp -r "$WORLD/language" "$BATS_TEST_TMPDIR/language"
    exits 0 vlrm-world-pretrain -v --lesson language --model "$BATS_TEST_TMPDIR/language" --threads 1 --batch 4 --steps 400
    falls
    # True captions are likelier to it than the same with their words in disorder.
    reference_says() {
        vlrm-world-captions --truth "$WORLD/clips" "$WORLD/frames.vlrm" | vlrm-cat --bin=base64 |
            jq -c "if .caption then .caption.text |= ($1) else . end" | vlrm-cat --from=json |
            vlrm-reward -v --model "$WORLD/captioner" --itm "$WORLD/itm" --ref "$BATS_TEST_TMPDIR/language" 2>"$BATS_TEST_TMPDIR/said" |
            vlrm-cat | jq -s 'map(.reward.ref // empty) | add / length'
    }
    [ "$(jq -n "$(reference_says .) - $(reference_says 'split(" ") | reverse | join(" ")') > 1")" = true ]
    grep -q 'has another tokenizer than the captioner' "$BATS_TEST_TMPDIR/said"
}

@test "a CLIP learns to see, and to bring images and captions together" {
    exits 0 lesson see clip --steps 200 --learning-rate 1e-3
    exits 0 lesson contrast clip --steps 400 --learning-rate 1e-3
    falls
}

# bats test_tags=slow
@test "the same command writes the same bytes, another seed others" {
    lesson see captioner --steps 3 --seed 5
    cp "$BATS_TEST_TMPDIR/captioner/model.safetensors" "$BATS_TEST_TMPDIR/first"
    lesson see captioner --steps 3 --seed 5
    cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/captioner/model.safetensors"
    lesson see captioner --steps 3 --seed 6
    no cmp -s "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/captioner/model.safetensors"
    for seed in 5 5 6; do
        cp -r "$WORLD/language" "$BATS_TEST_TMPDIR/language"
        vlrm-world-pretrain --lesson language --model "$BATS_TEST_TMPDIR/language" --threads 1 --batch 4 --steps 3 --seed "$seed"
        vlrm-weights digest "$BATS_TEST_TMPDIR/language" >>"$BATS_TEST_TMPDIR/digests"
        rm -r "$BATS_TEST_TMPDIR/language"
    done
    [ "$(uniq -c "$BATS_TEST_TMPDIR/digests" | awk '{print $1}' | xargs)" = '2 1' ]
}

@test "what is missing or wrong is named" {
    exits 2 vlrm-world-pretrain --lesson see
    says '--model'
    exits 2 vlrm-world-pretrain --lesson sing --model x --truth y
    says 'sing'
    exits 1 vlrm-world-pretrain --lesson see --model "$WORLD/captioner" --truth "$WORLD/clips" --size 32 "$WORLD/frames.vlrm"
    says '48 pixels'
    exits 1 vlrm-world-pretrain --lesson match --model "$WORLD/itm" --truth "$WORLD/clips" "$WORLD/frames.vlrm"
    says '--from'
    mkdir "$BATS_TEST_TMPDIR/empty"
    exits 1 vlrm-world-pretrain --lesson see --model "$WORLD/captioner" --truth "$BATS_TEST_TMPDIR/empty" "$WORLD/frames.vlrm"
}

# bats test_tags=slow
@test "world/pretrain: a rehearsal of all lessons leaves six models that the programs take; again it has nothing to do, elsewhere it does the same" {
    cd "$BATS_TEST_TMPDIR"
    PRETRAIN_DIVIDE=800 exits 0 "$ROOT/world/pretrain" work out
    for model in captioner itm judge clip smolvlm language; do [ -e "out/$model/model.safetensors" ]; done
    vlrm-extract work/clips/*.mp4 | vlrm-rollout --model out/captioner --greedy >captions.vlrm
    vlrm-reward --model out/captioner --itm out/itm --clip out/clip --ref out/language captions.vlrm | vlrm-cat --count
    vlrm-extract work/clips/*.mp4 | vlrm-rollout --model out/smolvlm --greedy | vlrm-reward --model out/smolvlm --itm out/itm --ref out/language | vlrm-cat --count
    cp -r out first
    PRETRAIN_DIVIDE=800 exits 0 "$ROOT/world/pretrain" work out
    diff -r first out
    PRETRAIN_DIVIDE=800 exits 0 "$ROOT/world/pretrain" elsewhere other
    diff -r out other
}
