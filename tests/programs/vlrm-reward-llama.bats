# vlrm-reward --ref with a LLaMa: it scores the caption's text under its own tokenizer (the paper's section 4.3).
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    golden=$ROOT/tests/golden
}

# ref NAME TOKENIZER: a model folder of the two, and its texts but those with white space around them, which is no part of a caption.
ref() {
    mkdir "$TMP/ref"
    cp "$golden/models/language/$1/model/"* "$golden/tokenizers/$2/"* "$TMP/ref"
    texts=$TMP/texts
    jq -c 'select(.text | test("^[[:space:]]|[[:space:]]$") | not)' "$golden/models/language/$1/texts.jsonl" > "$texts"
}

# score PROGRAMS: rewards of each text, as a caption of one of the oracle's images, into $TMP/out.vlrm.
score() {
    jq -c --arg image "$PWD/images/0000.png" '{id, frame: {path: $image}, caption: {text, eos}}' "$texts" | vlrm-cat --from=json > "$TMP/in.vlrm"
    "$1/vlrm-reward" --model "$ORACLE/blip2" --ref "$TMP/ref" --no-itm --clip "$ORACLE/clip" "$TMP/in.vlrm" > "$TMP/out.vlrm" 2> "$TMP/said"
}

against_reference() {
    score "$1"
    paste -d' ' <(vlrm-cat "$TMP/out.vlrm" | jq 'select(.id) | .reward.ref') <(jq .ref "$texts") | near "$2"
}

@test "ref of LLaMa-2's kind is the reference's: SentencePiece, a head of its own" {
    ref llama llama2
    against_reference "$BIN" 1e-4
    vlrm-cat "$TMP/out.vlrm" | jq -es '.[0].inputs | map(.role) | index("ref") and index("ref-tokenizer")'
    vlrm-cat "$TMP/out.vlrm" | jq -es '.[0].ref.reads == "text"'
}

@test "ref of Llama 3's kind: grouped heads, scaled rotation, a byte-level BPE" {
    ref llama-grouped llama3
    against_reference "$BIN" 1e-4
}

@test "the same in the double build" {
    [ -x "$ROOT/build/double/bin/vlrm-reward" ] || skip "no double build of the programs"
    ref llama llama2
    against_reference "$ROOT/build/double/bin" 1e-9
}

@test "tokenizer.model alone serves as well" {
    ref llama llama2
    rm "$TMP/ref/tokenizer.json"
    cp "$golden/tokenizers/llama2-model/tokenizer.model" "$TMP/ref"
    against_reference "$BIN" 1e-4
}

@test "a language model of another kind is refused by name" {
    ref llama llama2
    jq '.model_type = "mamba" | .architectures = ["MambaForCausalLM"]' "$TMP/ref/config.json" > "$TMP/config" && mv "$TMP/config" "$TMP/ref/config.json"
    exits 1 score "$BIN"
    grep 'config.model_type is "mamba", expected a language model of the kinds "opt", "llama", "mistral", "qwen2"' "$TMP/said"
    jq '.model_type = "llama" | .rope_scaling = {rope_type: "yarn", factor: 4}' "$TMP/ref/config.json" > "$TMP/config" && mv "$TMP/config" "$TMP/ref/config.json"
    exits 1 score "$BIN"
    grep 'rope_scaling.rope_type is "yarn", expected "default", "linear" or "llama3"' "$TMP/said"
}

@test "vlrm-weights makes LLaMas, of true shapes too, and they serve" {
    vlrm-weights random --shape llama-mini --tokenizer "$golden/tokenizers/llama2" --out "$TMP/ref"
    texts=$golden/models/language/llama/texts.jsonl
    score "$BIN"
    vlrm-cat "$TMP/out.vlrm" | jq -es 'map(select(.id).reward.ref) | length == 12 and all(. < 0)'
    vlrm-weights random --zero --dtype f16 --shape llama-2-7b --out "$TMP/7b"
    [ "$(vlrm-weights list "$TMP/7b" | awk -F'\t' '{ n += $4 } END { printf "%.0f", n / 2 }')" = 6738415616 ]
}
