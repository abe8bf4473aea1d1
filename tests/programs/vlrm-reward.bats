# vlrm-reward: against the torch reference, the paper's Table 1, recombining, wrong input.
# bats file_tags=asan

setup() {
    load oracle
    oracle_setup
    models=(--model "$ORACLE/blip2" --itm "$ORACLE/itm")
}

# Prints the reward's value at a jq path for each record, beside the reference's.
beside() {
    paste -d' ' <(vlrm-cat "$1" | jq -r "select(.id) | .reward | $2") <(jq -r ".reward | $3" rewards.jsonl)
}

against_reference() {
    captions | "$1/vlrm-reward" "${models[@]}" --clip "$ORACLE/clip" --batch 6 > "$TMP/out.vlrm"
    beside "$TMP/out.vlrm" .parts.itm .itm | near "$2"
    beside "$TMP/out.vlrm" .ref .ref | near "$2"
    beside "$TMP/out.vlrm" .parts.phi .phi | near "$2"
    cmp <(vlrm-cat "$TMP/out.vlrm" | jq -c 'select(.id) | .reward | [.bad, .repeat, .noeos]') <(jq -c '.reward | [.bad, .repeat, .noeos]' rewards.jsonl)
    captions | "$1/vlrm-reward" "${models[@]}" > "$TMP/plain.vlrm"
    beside "$TMP/plain.vlrm" '.returns[]' '.returns[]' | near "$2"
    captions | "$1/vlrm-reward" "${models[@]}" --clip "$ORACLE/clip" --batch 6 --no-ref > "$TMP/rs.vlrm"
    beside "$TMP/rs.vlrm" '.returns[]' '.returns_rs[]' | near "$2"
}

@test "every part and every return is the reference's (f32)" {
    against_reference "$BIN" 1e-4
}

@test "the same in the double build" {
    [ -x "$ROOT/build/double/bin/vlrm-reward" ] || skip "no double build of the programs"
    against_reference "$ROOT/build/double/bin" 1e-9
}

@test "CLIP alone loads nothing else" {
    captions | vlrm-reward --model "$ORACLE/blip2" --no-itm --no-ref --clip "$ORACLE/clip" --batch 6 > "$TMP/out.vlrm"
    vlrm-cat "$TMP/out.vlrm" | jq -es 'map(select(.id)) | all(.reward.ref == null and .reward.parts.itm == null) and length == 30'
    head -1 captions.jsonl | vlrm-cat --from=json | vlrm-reward --model "$ORACLE/blip2" --no-itm --no-ref --clip "$ORACLE/clip" --batch 6 > "$TMP/one.vlrm"
    vlrm-cat "$TMP/one.vlrm" | jq -es 'map(select(.id))[0].reward.parts.phi == 0'
}

@test "the last, smaller batch has a Phi of its own, and that is said" {
    captions | vlrm-reward -v --model "$ORACLE/blip2" --no-itm --no-ref --clip "$ORACLE/clip" --batch 12 2> "$TMP/err" > "$TMP/out.vlrm"
    grep -q "batch 2 is smaller: Phi is over 6 records" "$TMP/err"
    [ "$(vlrm-cat "$TMP/out.vlrm" | jq -c 'select(.batch) | .batch.records' | tr '\n' ' ')" = '12 12 6 ' ]
    # Standardised over each batch: the sums over 12, 12 and 6 are 0.
    vlrm-cat "$TMP/out.vlrm" | jq -es 'map(select(.id) | .reward.parts.phi) | [add, (.[:12] | add), (.[24:] | add)] | all((. | fabs) < 1e-9)'
}

@test "recombining gives what scoring with those weights and lists gives" {
    captions | vlrm-reward "${models[@]}" > "$TMP/plain.vlrm"
    printf 'circle\n' > "$TMP/phrases"
    lists=(--bad-phrases "$TMP/phrases" --ref-weight 0.5 --repeat-weight 2 --gamma 0.9)
    captions | vlrm-reward "${models[@]}" "${lists[@]}" > "$TMP/want.vlrm"
    vlrm-reward --recombine --model "$ORACLE/blip2" "${lists[@]}" "$TMP/plain.vlrm" > "$TMP/found.vlrm"
    cmp <(vlrm-cat "$TMP/found.vlrm" | jq -c 'select(.id)') <(vlrm-cat "$TMP/want.vlrm" | jq -c 'select(.id)')
}

@test "a caption of text alone gets tokens, an end, and a reward for each token" {
    echo '{"id": "x", "frame": {"path": "images/0000.png"}, "caption": {"text": "a red circle"}}' | vlrm-cat --from=json |
        vlrm-reward "${models[@]}" | vlrm-cat > "$TMP/out"
    jq -es 'map(select(.id))[0] | (.caption.tokens | length) as $n | $n > 2 and (.reward.returns | length) == $n and .caption.eos and .reward.noeos == 0' "$TMP/out"
}

@test "a caption scores the same alone and among others, with features and without" {
    captions | vlrm-reward "${models[@]}" --score-batch 1 > "$TMP/alone.vlrm"
    captions | vlrm-reward "${models[@]}" --score-batch 30 > "$TMP/together.vlrm"
    paste -d' ' <(vlrm-cat "$TMP/alone.vlrm" | jq -r 'select(.id) | .reward.returns[]') <(vlrm-cat "$TMP/together.vlrm" | jq -r 'select(.id) | .reward.returns[]') | near 1e-5
    captions | vlrm-rollout --model "$ORACLE/blip2" --sample --features > "$TMP/features.vlrm"
    vlrm-reward -v "${models[@]}" "$TMP/features.vlrm" 2> "$TMP/err" > "$TMP/a.vlrm"
    grep -q "0 images encoded, 30 shared" "$TMP/err"
    vlrm-cat "$TMP/features.vlrm" | jq -c 'select(.id) | del(.features)' | vlrm-cat --from=json | vlrm-reward "${models[@]}" > "$TMP/b.vlrm"
    paste -d' ' <(vlrm-cat "$TMP/a.vlrm" | jq -r 'select(.id) | .reward.returns[]') <(vlrm-cat "$TMP/b.vlrm" | jq -r 'select(.id) | .reward.returns[]') | near 1e-5
}

@test "captions that come slowly score the same to the bit" {
    captions > "$TMP/captions.vlrm"
    vlrm-reward "${models[@]}" "$TMP/captions.vlrm" > "$TMP/at-once.vlrm"
    piece=$(($(stat -c %s "$TMP/captions.vlrm") / 7))
    for ((i = 0; i < 8; i++)); do
        tail -c +$((i * piece + 1)) "$TMP/captions.vlrm" | head -c "$piece"
        sleep 0.3
    done | vlrm-reward "${models[@]}" > "$TMP/slowly.vlrm"
    cmp <(vlrm-cat "$TMP/at-once.vlrm" | jq -c 'select(.id)') <(vlrm-cat "$TMP/slowly.vlrm" | jq -c 'select(.id)')
}

@test "features without their frame are told apart" {
    captions | vlrm-rollout --model "$ORACLE/blip2" --sample --features > "$TMP/features.vlrm"
    vlrm-cat --bin=base64 "$TMP/features.vlrm" | jq -c 'select(.id) | del(.frame)' | vlrm-cat --from=json > "$TMP/alone.vlrm"
    for name in features alone; do
        vlrm-reward -v "${models[@]}" "$TMP/$name.vlrm" 2> "$TMP/$name.err" | vlrm-cat | jq -c 'select(.id) | .reward' > "$TMP/$name.rewards"
        grep -q "0 images encoded, 30 shared" "$TMP/$name.err"
    done
    cmp "$TMP/features.rewards" "$TMP/alone.rewards"
}

@test "white space of any script around a caption's text is no part of it" {
    for text in 'a red circle' '\u00a0 a red circle\u3000\u001d'; do
        echo '{"id": "x", "frame": {"path": "images/0000.png"}, "caption": {"text": "'"$text"'"}}' | vlrm-cat --from=json |
            vlrm-reward "${models[@]}" | vlrm-cat | jq -c 'select(.id) | [.caption.tokens, .reward]'
    done > "$TMP/out"
    [ "$(sort -u "$TMP/out" | wc -l)" = 1 ]
    jq -c '{id: "x", frame: {path: "images/0000.png"}, caption: {tokens: .[0], text: "\u2003a red circle\u0085"}}' "$TMP/out" | head -1 |
        vlrm-cat --from=json > "$TMP/in.vlrm"
    vlrm-reward "${models[@]}" "$TMP/in.vlrm" > "$TMP/out.vlrm"
}

@test "tokens that do not decode to the text are a mismatch that names the record" {
    echo '{"id": "odd", "frame": {"path": "images/0000.png"}, "caption": {"text": "another text", "tokens": [69, 79]}}' | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 6 vlrm-reward "${models[@]}" "$TMP/in.vlrm"
    says "record odd: caption.tokens decode to"
}

@test "a record without an image is counted, the others are scored" {
    { head -2 captions.jsonl; echo '{"id": "blind", "caption": {"text": "a circle"}}'
      echo '{"id": "gone", "frame": {"path": "images/none.png"}, "caption": {"text": "a circle"}}'; } | vlrm-cat --from=json > "$TMP/in.vlrm"
    vlrm-reward "${models[@]}" "$TMP/in.vlrm" > "$TMP/out.vlrm" 2> "$TMP/err" || status=$?
    [ "$status" = 3 ]
    grep -q "record blind: no image" "$TMP/err"
    grep -q "record gone: open images/none.png" "$TMP/err"
    [ "$(vlrm-cat "$TMP/out.vlrm" | jq -s 'map(select(.reward)) | length')" = 2 ]
    [ "$(vlrm-cat "$TMP/out.vlrm" | jq -c 'select(.end) | .end | [.records, .failed, .status]')" = '[4,2,3]' ]
}

@test "empty captions, and captions without tokens" {
    { echo '{"id": "eos", "frame": {"path": "images/0000.png"}, "caption": {"tokens": [202]}}'
      echo '{"id": "none", "frame": {"path": "images/0000.png"}, "caption": {"tokens": []}}'; } | vlrm-cat --from=json | vlrm-reward "${models[@]}" | vlrm-cat > "$TMP/out"
    jq -es 'map(select(.id)) | (.[0].reward.returns | length) == 1 and .[0].reward.noeos == 0 and (.[1].reward.returns | length) == 0 and .[1].reward.noeos == 1' "$TMP/out"
}

@test "a list that cannot be read says its line" {
    printf 'good\n\xff\xfe\n' > "$TMP/phrases"
    captions > "$TMP/in.vlrm"
    exits 1 vlrm-reward "${models[@]}" --bad-phrases "$TMP/phrases" "$TMP/in.vlrm"
    says "phrases"
    says "2"
}
