# vlrm-rollout: against Hugging Face's generate(), batch independence, following a policy.
# bats file_tags=asan

setup() {
    load oracle
    oracle_setup
}

frames() {
    jq -c '{id, frame}' captions.jsonl | vlrm-cat --from=json
}

ids() {
    vlrm-cat "$1" | jq -c 'select(.id) | .caption.tokens'
}

@test "greedy and beam ids are Hugging Face's (double build: exactly)" {
    bin=$ROOT/build/double/bin
    [ -x "$bin/vlrm-rollout" ] || skip "no double build of the programs"
    n=$(wc -l < generate.jsonl)
    frames | "$bin/vlrm-rollout" --model "$ORACLE/blip2" --greedy --max-new-tokens 24 > "$TMP/greedy.vlrm"
    frames | "$bin/vlrm-rollout" --model "$ORACLE/blip2" --max-new-tokens 24 > "$TMP/beam.vlrm"
    cmp <(ids "$TMP/greedy.vlrm" | head -"$n") <(jq -c .greedy generate.jsonl)
    cmp <(ids "$TMP/beam.vlrm" | head -"$n") <(jq -c .beam generate.jsonl)
}

@test "f32 agrees but for near-ties" {
    n=$(wc -l < generate.jsonl)
    frames | vlrm-rollout --model "$ORACLE/blip2" --max-new-tokens 24 > "$TMP/beam.vlrm"
    same=$(paste -d' ' <(ids "$TMP/beam.vlrm" | head -"$n") <(jq -c .beam generate.jsonl) | awk '$1 == $2' | wc -l)
    [ "$same" -ge $((n - 2)) ]
}

@test "a sampled caption does not depend on its batch" {
    frames | vlrm-rollout --model "$ORACLE/blip2" --sample --seed 7 --decode-batch 1 > "$TMP/one.vlrm"
    frames | vlrm-rollout --model "$ORACLE/blip2" --sample --seed 7 --decode-batch 30 > "$TMP/all.vlrm"
    cmp <(ids "$TMP/one.vlrm") <(ids "$TMP/all.vlrm")
    frames | vlrm-rollout --model "$ORACLE/blip2" --sample --seed 8 --decode-batch 30 > "$TMP/other.vlrm"
    ! cmp -s <(ids "$TMP/one.vlrm") <(ids "$TMP/other.vlrm")
}

@test "log-probabilities are those of the learner" {
    frames | vlrm-rollout --model "$ORACLE/blip2" --sample --features > "$TMP/c.vlrm"
    vlrm-cat "$TMP/c.vlrm" | jq -c 'select(.id) | .reward = {returns: [.caption.tokens[] | 1]}' > "$TMP/lines"
    vlrm-cat --bin=base64 "$TMP/c.vlrm" | jq -c 'select(.id) | .reward = {returns: [.caption.tokens[] | 1]}' | vlrm-cat --from=json |
        vlrm-update --model "$ORACLE/blip2" --off-policy --batch 30 --check-logp 1 --run "$TMP/run" > "$TMP/m"
    jq -e '.logp_drift.records == 30 and .logp_drift.max < 1e-4' "$TMP/m"
}

@test "several captions a frame have ids of their own" {
    frames | vlrm-rollout --model "$ORACLE/blip2" --sample --num-return 3 > "$TMP/c.vlrm"
    [ "$(vlrm-cat "$TMP/c.vlrm" | jq -r 'select(.id) | .id' | sort -u | wc -l)" = 90 ]
    vlrm-cat "$TMP/c.vlrm" | jq -r 'select(.id) | .id' | head -3 | paste -sd' ' | grep -qx '0000~1 0000~2 0000~3'
    frames | vlrm-rollout --model "$ORACLE/blip2" --num-return 2 | vlrm-cat --count
}

@test "sampled frequencies are the top-6 law" {
    # The first token of one image, drawn 3000 times, against softmax(logits / 2) over the six likeliest (chi-square, 5 degrees).
    for ((i = 0; i < 3000; i++)); do echo "{\"id\": \"$i\", \"frame\": {\"path\": \"images/0002.png\"}}"; done | vlrm-cat --from=json |
        vlrm-rollout --model "$ORACLE/blip2" --sample --seed 3 --max-new-tokens 1 --decode-batch 64 > "$TMP/c.vlrm"
    vlrm-cat "$TMP/c.vlrm" | jq -r 'select(.id) | "\(.caption.tokens[0]) \(.caption.logp[0])"' | awk '
        { n[$1]++; lp[$1] = $2; total++ }
        END { for (t in n) { k++; z += exp(lp[t] / 2) }
              for (t in n) { e = total * exp(lp[t] / 2) / z; chi += (n[t] - e) ^ 2 / e }
              print "tokens", k, "chi-square", chi; exit !(k == 6 && chi < 20.5) }'
}

@test "short captions first and long ones later: the loop's memory is taken for the longest" {
    frames > "$TMP/frames.vlrm"
    for beams in 8 32; do
        for tokens in 10 20 60; do
            vlrm-rollout --model "$ORACLE/blip2" --decode-batch 2 --num-beams $beams --no-repeat-ngram-size 1 \
                --min-new-tokens 1 --max-new-tokens $tokens "$TMP/frames.vlrm" > "$TMP/c.vlrm"
            [ "$(ids "$TMP/c.vlrm" | wc -l)" = 30 ]
        done
    done
}

@test "a frame that is no image is counted, the others are captioned" {
    mkfifo "$TMP/pipe"
    good() { echo "{\"id\": \"$1\", \"frame\": {\"path\": \"images/0001.png\"}}"; }
    head -c 300 images/0002.png > "$TMP/cut.png"
    {
        good first
        for path in captions.jsonl nowhere.png images "$TMP/cut.png" /dev/zero "$TMP/pipe"; do
            echo "{\"id\": \"bad $path\", \"frame\": {\"path\": \"$path\"}}"
        done
        echo '{"id": "no frame"}'
        echo '{"id": "no group", "frame": 3}'
        echo '{"id": "number", "frame": {"path": 3}}'
        echo '{"id": "empty", "frame": {"encoding": "jpeg", "image": {"$bin": ""}}}'
        echo '{"id": "junk", "frame": {"encoding": "jpeg", "image": {"$bin": "aGVsbG8gd29ybGQ="}}}'
        good last
    } | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 3 timeout 60 bash -c 'vlrm-rollout --model "$1" "$2" > "$3"' - "$ORACLE/blip2" "$TMP/in.vlrm" "$TMP/out.vlrm"
    [ "$(grep -c ": record " <<<"$output")" = 11 ]
    says "record bad captions.jsonl:"
    says "record bad /dev/zero: /dev/zero: not a regular file"
    vlrm-cat "$TMP/out.vlrm" | jq -es 'map(select(.caption) | .id) == ["first", "last"] and (last.end | .failed == 11 and .records == 13 and .status == 3)'
}

@test "batch k is sampled by the policy of step k; what is consumed is skipped" {
    frames > "$TMP/frames.vlrm"
    pipeline() {
        vlrm-rollout --model "$ORACLE/blip2" --sample --policy "$TMP/run/policy" --batch 6 "$TMP/frames.vlrm" |
            vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" |
            vlrm-update --model "$ORACLE/blip2" --run "$TMP/run" --check-logp 1
    }
    vlrm-update --model "$ORACLE/blip2" --run "$TMP/run" --prepare
    pipeline > "$TMP/m"
    [ "$(jq -s 'map(.step)' -c "$TMP/m")" = '[1,2,3,4,5]' ]
    jq -es 'all(.logp_drift.max < 1e-4)' "$TMP/m"
    pipeline > "$TMP/again"
    [ ! -s "$TMP/again" ]
}
