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

@test "a CLIP learns to see, and to bring images and captions together" {
    exits 0 lesson see clip --steps 200 --learning-rate 1e-3
    exits 0 lesson contrast clip --steps 400 --learning-rate 1e-3
    falls
}

@test "the same command writes the same bytes, another seed others" {
    lesson see captioner --steps 3 --seed 5
    cp "$BATS_TEST_TMPDIR/captioner/model.safetensors" "$BATS_TEST_TMPDIR/first"
    lesson see captioner --steps 3 --seed 5
    cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/captioner/model.safetensors"
    lesson see captioner --steps 3 --seed 6
    no cmp -s "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/captioner/model.safetensors"
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

@test "world/pretrain: a rehearsal of all lessons leaves four models that the programs take; again it has nothing to do, elsewhere it does the same" {
    cd "$BATS_TEST_TMPDIR"
    PRETRAIN_DIVIDE=800 exits 0 "$ROOT/world/pretrain" work out
    for model in captioner itm judge clip; do [ -e "out/$model/model.safetensors" ]; done
    vlrm-extract work/clips/*.mp4 | vlrm-rollout --model out/captioner --greedy >captions.vlrm
    vlrm-reward --model out/captioner --itm out/itm --clip out/clip captions.vlrm | vlrm-cat --count
    cp -r out first
    PRETRAIN_DIVIDE=800 exits 0 "$ROOT/world/pretrain" work out
    diff -r first out
    PRETRAIN_DIVIDE=800 exits 0 "$ROOT/world/pretrain" elsewhere other
    diff -r out other
}
