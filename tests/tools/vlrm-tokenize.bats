# vlrm-tokenize: text to ids and back.
# bats file_tags=asan

setup() {
    load ../programs/common
    cd "$ROOT" || return
    opt=tests/golden/tokenizers/opt bert=tests/golden/tokenizers/bert clip=tests/golden/tokenizers/clip
}

@test "ids, pieces and offsets of a line" {
    exits 0 vlrm-tokenize "$opt" <<< '"a cat"'
    [ "$(jq -c '[.offsets[0], .offsets[-1][1]]' <<< "$output")" = '[[0,1],5]' ]
    [ "$(jq -r '.pieces | join("")' <<< "$output")" = aĠcat ]
    [ "$(jq '.ids | length' <<< "$output")" = "$(jq '.offsets | length' <<< "$output")" ]
}

@test "every golden string comes out as Hugging Face has it, forth and back" {
    for kind in opt bert clip; do
        jq -c 'select(.text) | .text' tests/golden/tokenizers/$kind.jsonl > "$BATS_TEST_TMPDIR/in"
        jq -c 'select(.text) | {ids, offsets}' tests/golden/tokenizers/$kind.jsonl > "$BATS_TEST_TMPDIR/want"
        jq -c 'select(.text) | .decoded' tests/golden/tokenizers/$kind.jsonl > "$BATS_TEST_TMPDIR/want-text"
        vlrm-tokenize tests/golden/tokenizers/$kind "$BATS_TEST_TMPDIR/in" > "$BATS_TEST_TMPDIR/out"
        [ -s "$BATS_TEST_TMPDIR/want" ]
        jq -c '{ids, offsets}' "$BATS_TEST_TMPDIR/out" | cmp - "$BATS_TEST_TMPDIR/want"
        vlrm-tokenize --decode tests/golden/tokenizers/$kind "$BATS_TEST_TMPDIR/out" | jq -c . | cmp - "$BATS_TEST_TMPDIR/want-text"
    done
}

@test "special ids, limit, literal reading, characters" {
    exits 0 vlrm-tokenize --special --max-tokens 4 "$bert" <<< '"a red circle stands on a blue square"'
    [ "$(jq -c '[.pieces[0], .pieces[-1], (.ids | length), .offsets[0]]' <<< "$output")" = '["[CLS]","[SEP]",4,[0,0]]' ]
    exits 0 vlrm-tokenize --special "$clip" <<< '"a"'
    [ "$(jq -c '.pieces' <<< "$output")" = '["<|startoftext|>","a</w>","<|endoftext|>"]' ]
    exits 0 vlrm-tokenize --special "$opt" <<< '""'
    [ "$(jq -c '.ids' <<< "$output")" = '[2]' ]
    exits 0 vlrm-tokenize "$opt" <<< '"</s>"'
    [ "$(jq -c '.ids' <<< "$output")" = '[2]' ]
    exits 0 vlrm-tokenize --literal "$opt" <<< '"</s>"'
    [ "$(jq '.ids | length' <<< "$output")" -gt 1 ]
    exits 0 vlrm-tokenize --chars "$opt" <<< '"é"'
    [ "$(jq -c '.offsets' <<< "$output")" = '[[0,1],[0,1]]' ]
    exits 0 vlrm-tokenize "$opt" <<< '"é"'
    [ "$(jq -c '.offsets' <<< "$output")" = '[[0,2],[0,2]]' ]
}

@test "what is no JSON string is named by its line, the others are done" {
    exits 3 vlrm-tokenize "$opt" <<< $'"a"\nnonsense\n17\n"\\ud800"\n\n"b"'
    says "stdin:2:" && says "stdin:3: expected a JSON string" && says "stdin:4:" && says "stdin:5:" && says "done 2, failed 4"
    [ "$(grep -c '^null$' <<< "$output")" = 4 ]
    exits 3 vlrm-tokenize --decode "$opt" <<< $'[1, "a"]\n{"no": 1}\n[-1]\n[4294967296]\n[70]'
    says "stdin:1: ids[1] is not a number" && says "stdin:2: expected an array" && says "stdin:3:" && says "stdin:4:"
}

@test "invalid UTF-8 in a line is an error of that line" {
    printf '"a\xff"\n"b"\n' > "$BATS_TEST_TMPDIR/in"
    exits 3 vlrm-tokenize "$opt" "$BATS_TEST_TMPDIR/in"
    says "in:1:"
}

@test "a folder without a tokenizer, and damaged ones, say so" {
    exits 1 vlrm-tokenize "$BATS_TEST_TMPDIR" < /dev/null
    says "expected tokenizer.json, or vocab.json and merges.txt, or vocab.txt"
    exits 2 vlrm-tokenize
    cp "$opt"/* "$BATS_TEST_TMPDIR"
    echo "q q q" >> "$BATS_TEST_TMPDIR/merges.txt"
    exits 1 vlrm-tokenize "$BATS_TEST_TMPDIR" < /dev/null
    says "merges.txt:$(wc -l < "$BATS_TEST_TMPDIR/merges.txt")" && says "expected two pieces"
    sed -i '$d' "$BATS_TEST_TMPDIR/merges.txt"
    echo "zz yy" >> "$BATS_TEST_TMPDIR/merges.txt"
    exits 1 vlrm-tokenize "$BATS_TEST_TMPDIR" < /dev/null
    says '"zz" is not in the vocabulary'
    head -c 1000 "$opt"/vocab.json > "$BATS_TEST_TMPDIR/vocab.json"
    exits 1 vlrm-tokenize "$BATS_TEST_TMPDIR" < /dev/null
    says "vocab.json:"
}

@test "a tokenizer.json gives the same as the files it was made of" {
    jq -n --slurpfile v "$opt"/vocab.json --rawfile m "$opt"/merges.txt \
        '{added_tokens: [{id: 1, content: "<pad>", special: true}, {id: 2, content: "</s>", special: true}],
          model: {type: "BPE", vocab: $v[0], merges: ($m | split("\n") | map(select(length > 0 and (startswith("#version") | not))))}}' \
        > "$BATS_TEST_TMPDIR/tokenizer.json"
    jq -c 'select(.text) | .text' "$opt".jsonl > "$BATS_TEST_TMPDIR/in"
    vlrm-tokenize "$opt" "$BATS_TEST_TMPDIR/in" > "$BATS_TEST_TMPDIR/want"
    vlrm-tokenize "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/want"
    jq '.model.merges |= map(split(" "))' "$BATS_TEST_TMPDIR/tokenizer.json" > "$BATS_TEST_TMPDIR/t" && mv "$BATS_TEST_TMPDIR/t" "$BATS_TEST_TMPDIR/tokenizer.json"
    vlrm-tokenize "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/want"
    jq -n --rawfile v "$bert"/vocab.txt '{normalizer: {type: "BertNormalizer", lowercase: true}, model: {type: "WordPiece", vocab: ($v | split("\n") | map(select(length > 0)) | to_entries | map({(.value): .key}) | add)}}' \
        > "$BATS_TEST_TMPDIR/tokenizer.json"
    vlrm-tokenize "$bert" "$BATS_TEST_TMPDIR/in" > "$BATS_TEST_TMPDIR/want"
    vlrm-tokenize "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/want"
}

@test "a full disk is a failure" {
    yes '"a cat"' | head -100000 > "$BATS_TEST_TMPDIR/in"
    exits 1 bash -c "vlrm-tokenize $PWD/$opt $BATS_TEST_TMPDIR/in > /dev/full"
}

@test "lines come out as they go in" {
    mkfifo "$BATS_TEST_TMPDIR/in"
    vlrm-tokenize "$opt" "$BATS_TEST_TMPDIR/in" > "$BATS_TEST_TMPDIR/out" &
    exec 8> "$BATS_TEST_TMPDIR/in"
    echo '"a"' >&8
    eventually 60 test -s "$BATS_TEST_TMPDIR/out"
    exec 8>&-
    wait
}

@test "the examples of the help work" {
    ln -s "$PWD/$opt" "$BATS_TEST_TMPDIR/blip2"
    cd "$BATS_TEST_TMPDIR"
    exits 0 bash -c "$(vlrm-tokenize --help-all | grep -- '| vlrm-tokenize blip2')"
    says '"pieces":["a"' && says '"ids":['
    exits 0 bash -c "$(vlrm-tokenize --help-all | grep -- '| vlrm-tokenize --decode blip2')"
    [ "$(jq -r . <<< "$output")" = $'\uFFFDN' ]
}

@test "a tokenizer_config.json as transformers writes it for a tokenizer without a limit" {
    cp -r "$opt" "$BATS_TEST_TMPDIR/opt"
    echo '{"add_prefix_space": false, "model_max_length": 1000000000000000019884624838656, "tokenizer_class": "GPT2Tokenizer",
        "added_tokens_decoder": {"1": {"content": "<pad>", "lstrip": false, "rstrip": false, "special": true}}}' \
        > "$BATS_TEST_TMPDIR/opt/tokenizer_config.json"
    exits 0 vlrm-tokenize "$BATS_TEST_TMPDIR/opt" <<< '"a<pad>cat"'
    [ "$output" = "$(vlrm-tokenize "$opt" <<< '"a<pad>cat"')" ]
    [ "$(jq -c '.ids[1]' <<< "$output")" = 1 ]
}
