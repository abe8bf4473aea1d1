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

@test "a group of captions is in one batch: Phi is over it whole" {
    jq -c '.caption.group = (.id[:3]) | .caption.group_size = 10' captions.jsonl | vlrm-cat --from=json > "$TMP/in.vlrm"
    vlrm-reward --model "$ORACLE/blip2" --no-itm --no-ref --clip "$ORACLE/clip" --batch 4 "$TMP/in.vlrm" > "$TMP/four.vlrm"
    vlrm-reward --model "$ORACLE/blip2" --no-itm --no-ref --clip "$ORACLE/clip" --batch 10 "$TMP/in.vlrm" > "$TMP/ten.vlrm"
    vlrm-cat "$TMP/four.vlrm" | jq -es 'map(select(.batch).batch.records) == [10, 10, 10]'
    cmp <(vlrm-cat "$TMP/four.vlrm" | jq -c 'select(.id) | .reward') <(vlrm-cat "$TMP/ten.vlrm" | jq -c 'select(.id) | .reward')
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

# by_other_tokenizer FOLDER: the oracle's tokenizer with the ids of two pieces exchanged, and nothing else of a model.
by_other_tokenizer() {
    mkdir "$1"
    cp "$ORACLE"/blip2/{merges.txt,tokenizer_config.json} "$1"
    jq '.a as $a | .a = .e | .e = $a' "$ORACLE/blip2/vocab.json" > "$1/vocab.json"
}

@test "a reference with another tokenizer scores the text by its own ids, as torch does" {
    expected=$ROOT/tests/golden/ref/expected.jsonl
    by_other_tokenizer "$TMP/captioner"
    jq -c 'del(.ids, .ref)' "$expected" | vlrm-cat --from=json > "$TMP/in.vlrm"
    vlrm-reward --model "$TMP/captioner" --ref "$ORACLE/blip2" --itm "$ORACLE/itm" "$TMP/in.vlrm" > "$TMP/out.vlrm"
    paste -d' ' <(vlrm-cat "$TMP/out.vlrm" | jq -r 'select(.id) | .reward.ref') <(jq -r .ref "$expected") | near 1e-5
    # By the captioner's ids, as their text alone would be scored by the model itself: to the bit.
    vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" "$TMP/in.vlrm" > "$TMP/own.vlrm"
    cmp <(vlrm-cat "$TMP/out.vlrm" | jq 'select(.id) | .reward.ref') <(vlrm-cat "$TMP/own.vlrm" | jq 'select(.id) | .reward.ref')
    # The record and the header say whose it is; combined anew it stays so.
    digest=$(vlrm-weights digest "$ORACLE/blip2")
    vlrm-cat "$TMP/out.vlrm" | jq -es --arg digest "$digest" '(.[0].ref == {model: $digest, reads: "text"}) and (map(select(.id) | .reward.parts.ref_model == $digest) | all)'
    vlrm-reward --recombine --model "$TMP/captioner" "$TMP/out.vlrm" | vlrm-cat > "$TMP/again"
    cmp <(jq -c 'select(.id)' "$TMP/again") <(vlrm-cat "$TMP/out.vlrm" | jq -c 'select(.id)')
}

@test "a reference with the captioner's tokenizer reads its ids, whatever files that is in" {
    cp -r "$ORACLE/blip2" "$TMP/ref"
    jq -n --slurpfile v "$ORACLE/blip2/vocab.json" --rawfile m "$ORACLE/blip2/merges.txt" '{model: {type: "BPE", vocab: $v[0],
        merges: ($m | split("\n") | map(select(. != "" and (startswith("#version") | not))))}, added_tokens: []}' > "$TMP/ref/tokenizer.json"
    rm "$TMP/ref/vocab.json" "$TMP/ref/merges.txt"
    captions | vlrm-reward "${models[@]}" | vlrm-cat | jq -c 'select(.id)' > "$TMP/own"
    captions | vlrm-reward "${models[@]}" --ref "$TMP/ref" | vlrm-cat | jq -c 'select(.id)' > "$TMP/found"
    cmp "$TMP/own" "$TMP/found"
    rm "$TMP/ref/tokenizer.json"
    captions > "$TMP/in.vlrm"
    exits 1 vlrm-reward "${models[@]}" --ref "$TMP/ref" "$TMP/in.vlrm"
    says "what captions are to the reference model: $TMP/ref: no tokenizer"
}

@test "an id that the captioner has not is its record's failure" {
    for ids in '[69, 99999999]' '[-1]' '[4294967301]' '[9223372036854775807]'; do
        echo '{"id": "bad '"$ids"'", "frame": {"path": "images/0000.png"}, "caption": {"tokens": '"$ids"'}}'
    done > "$TMP/bad"
    { head -1 captions.jsonl; cat "$TMP/bad"; sed -n 2p captions.jsonl; } | vlrm-cat --from=json > "$TMP/in.vlrm"
    for options in --no-ref --ref-weight=1; do
        vlrm-reward "${models[@]}" $options "$TMP/in.vlrm" > "$TMP/out.vlrm" 2> "$TMP/err" || status=$?
        [ "$status" = 3 ]
        grep -q 'record bad \[69, 99999999\]: caption.tokens\[1\] is 99999999, expected an id from 0 to' "$TMP/err"
        vlrm-cat "$TMP/out.vlrm" | jq -es 'map(select(.id) | has("reward")) == [true, false, false, false, false, true]'
    done
}

@test "records that fail keep their places, with a batch's Phi and without" {
    { head -2 captions.jsonl; echo '{"id": "gone", "frame": {"path": "images/none.png"}, "caption": {"text": "a circle"}}'; echo '{"id": "mute"}'
      sed -n 3,5p captions.jsonl; echo '{"id": "blind", "caption": {"text": "a circle"}}'; sed -n 6p captions.jsonl; } | vlrm-cat --from=json > "$TMP/in.vlrm"
    for options in --score-batch=4 --clip="$ORACLE/clip"; do
        vlrm-reward "${models[@]}" "$options" --batch 9 "$TMP/in.vlrm" > "$TMP/out.vlrm" 2> "$TMP/err" || status=$?
        [ "$status" = 3 ]
        cmp <(vlrm-cat "$TMP/out.vlrm" | jq -r 'select(.id) | .id') <(vlrm-cat "$TMP/in.vlrm" | jq -r 'select(.id) | .id')
        [ "$(vlrm-cat "$TMP/out.vlrm" | jq -c 'select(.batch) | .batch.records')" = 9 ]
        [ "$(grep -o 'record [a-z]*: ' "$TMP/err" | tr -d '\n')" = 'record gone: record mute: record blind: ' ]
    done
    # Those that do not fail get what they get alone.
    vlrm-cat "$TMP/in.vlrm" | jq -c 'select(.id and (.id | IN("gone", "mute", "blind") | not))' | vlrm-cat --from=json | vlrm-reward "${models[@]}" --clip "$ORACLE/clip" --batch 9 |
        vlrm-cat | jq -c 'select(.id)' > "$TMP/want"
    vlrm-cat "$TMP/out.vlrm" | jq -c 'select(.reward)' | cmp - "$TMP/want"
}

@test "parts are standardised by group or batch before they are weighed; what is recorded of them stays; vlrm-diff tells the order" {
    jq -c '.caption.group = .id[:3] | .caption.group_size = 10' captions.jsonl | vlrm-cat --from=json |
        vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" > "$TMP/plain.vlrm"
    again=(vlrm-reward --recombine --model "$ORACLE/blip2" --sim-weight 2 --noeos-weight 0 --bad-weight 0 --repeat-weight 0)
    "${again[@]}" --standardise group "$TMP/plain.vlrm" > "$TMP/group.vlrm"
    vlrm-cat "$TMP/group.vlrm" | jq -es 'def dev($m): (map((. - $m) * (. - $m)) | add) / (length - 1) | sqrt;
        map(select(.id)) | group_by(.caption.group) | length == 3 and all(
            (map(.reward.sim) | (add / length) as $m | [$m, dev($m)]) as [$sim, $s] | (map(.reward.ref) | (add / length) as $m | [$m, dev($m)]) as [$ref, $r] |
            all((.reward.returns[0] - (2 * (.reward.sim - $sim) / ($s + 1e-4) + (.reward.ref - $ref) / ($r + 1e-4))) | fabs < 1e-9))'
    cmp <(vlrm-cat "$TMP/group.vlrm" | jq -c 'select(.id) | .reward | del(.returns)') <(vlrm-cat "$TMP/plain.vlrm" | jq -c 'select(.id) | .reward | del(.returns)')
    "${again[@]}" --standardise batch --batch 30 "$TMP/plain.vlrm" | vlrm-cat | jq -es 'map(select(.id) | .reward.returns[0]) | (add | fabs) < 1e-9'
    # In the pipe as well as afterwards, with a Phi of the batch and a record that fails in its place.
    vlrm-cat "$TMP/plain.vlrm" | jq -c 'select(.id) | if .id == "0004" then .frame.path = "none.png" else . end | del(.reward)' | vlrm-cat --from=json > "$TMP/in.vlrm"
    vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" --clip "$ORACLE/clip" --batch 10 "$TMP/in.vlrm" 2> "$TMP/err" > "$TMP/scored.vlrm" || [ $? = 3 ]
    vlrm-reward --recombine --model "$ORACLE/blip2" --standardise group "$TMP/scored.vlrm" 2> "$TMP/err" > "$TMP/twice.vlrm" || [ $? = 3 ]
    vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" --clip "$ORACLE/clip" --standardise group --batch 10 "$TMP/in.vlrm" 2> "$TMP/err" > "$TMP/once.vlrm" || [ $? = 3 ]
    cmp <(vlrm-cat "$TMP/once.vlrm" | jq -c 'select(.id) | [.id, .reward]') <(vlrm-cat "$TMP/twice.vlrm" | jq -c 'select(.id) | [.id, .reward]')
    [ "$(vlrm-cat "$TMP/once.vlrm" | jq -s 'map(select(.id)) | .[4].id == "0004" and (.[4] | has("reward") | not)')" = true ]
    exits 7 vlrm-diff "$TMP/plain.vlrm" "$TMP/group.vlrm"
    says '--standardise: "none", now "group"'
    says "pairs swapped"
}

@test "phrases that are wished for gain, each once, by a list and a weight; tokens have a weight of their own" {
    printf '# what we want\na green\nsquare\n' > "$TMP/good.txt"
    for text in 'a green square and a GREEN square' 'no colour'; do jq -cn --arg t "$text" '{id: $t, frame: {path: "images/0000.png"}, caption: {text: $t}}'; done | vlrm-cat --from=json |
        vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" > "$TMP/plain.vlrm"
    vlrm-reward --recombine --model "$ORACLE/blip2" --good-phrases "$TMP/good.txt" --good-weight 0.5 --length-weight 0.25 "$TMP/plain.vlrm" > "$TMP/good.vlrm"
    vlrm-cat "$TMP/good.vlrm" | jq -c 'select(.id) | .reward.fired | map(select(.rule == "good").text)' | paste -sd' ' | grep -qxF '["a green","square"] []'
    paste <(vlrm-cat "$TMP/plain.vlrm" | jq -c 'select(.id)') <(vlrm-cat "$TMP/good.vlrm" | jq -c 'select(.id)') | jq -es '_nwise(2) as [$a, $b] |
        [range($b.reward.returns | length) as $k | $b.reward.returns[$k] - $a.reward.returns[$k] - ($b.reward.good[$k:] | add) * 0.5 - ($b.reward.good[$k:] | length) * 0.25] | all(fabs < 1e-9)'
    vlrm-cat "$TMP/good.vlrm" | jq -es '.[0].inputs | map(.role) | index("good-phrases")'
    vlrm-cat "$TMP/plain.vlrm" | jq -es 'map(select(.id)) | all(.reward | has("good") | not)'
    exits 7 vlrm-diff "$TMP/plain.vlrm" "$TMP/good.vlrm"
    says "good "
    exits 1 vlrm-reward --recombine --model "$ORACLE/blip2" --good-phrases "$TMP/none.txt" "$TMP/plain.vlrm"
    says "none.txt"
}
