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

@test "dealt out, the parts of each batch are in order what one rollout makes of it, whole groups, every batch closed everywhere" {
    rollout=(vlrm-rollout --model "$ORACLE/blip2" --sample --num-return 2 --max-new-tokens 8 --batch 14)
    frames | "${rollout[@]}" > "$TMP/whole.vlrm"
    for r in 0 1 2; do
        frames | "${rollout[@]}" --deal $r/3 > "$TMP/part.$r"
        [ "$(vlrm-cat "$TMP/part.$r" | jq -c 'select(.batch) | .batch.index' | paste -sd' ')" = "0 1 2 3 4" ]
    done
    # The last batch has two frames: rank 2 has none of it.
    [ "$(vlrm-cat "$TMP/part.2" | jq -c 'select(.batch) | .batch.records' | paste -sd' ')" = "6 6 6 6 0" ]
    for k in 0 1 2 3 4; do
        for r in 0 1 2; do vlrm-cat --batch-index $k "$TMP/part.$r" | jq -c 'select(.id)'; done > "$TMP/dealt"
        cmp "$TMP/dealt" <(vlrm-cat --batch-index $k "$TMP/whole.vlrm" | jq -c 'select(.id)')
    done
    for wrong in 3/3 1 1/ /2 -1/2 0/0 1/2x; do
        exits 2 "${rollout[@]}" --deal $wrong < /dev/null
        says "expected R/N"
    done
    exits 2 vlrm-rollout --model "$ORACLE/blip2" --deal 0/2 < /dev/null
    says "--deal needs --batch"
}

@test "captions of a frame are a group, with its greedy caption on request; a batch ends where a group does" {
    frames | vlrm-rollout --model "$ORACLE/blip2" --greedy --max-new-tokens 12 > "$TMP/greedy.vlrm"
    frames | vlrm-rollout --model "$ORACLE/blip2" --sample --num-return 3 --max-new-tokens 12 > "$TMP/plain.vlrm"
    frames | vlrm-rollout --model "$ORACLE/blip2" --sample --num-return 3 --greedy-baseline --max-new-tokens 12 --batch 9 > "$TMP/c.vlrm"
    # The sampled ones are those without it, the greedy one is --greedy's.
    cmp <(vlrm-cat "$TMP/c.vlrm" | jq -c 'select(.id and (.caption.baseline | not)) | [.id, .caption.tokens, .caption.logp]') <(vlrm-cat "$TMP/plain.vlrm" | jq -c 'select(.id) | [.id, .caption.tokens, .caption.logp]')
    cmp <(vlrm-cat "$TMP/c.vlrm" | jq -c 'select(.caption.baseline) | [.id, .caption.tokens]') <(vlrm-cat "$TMP/greedy.vlrm" | jq -c 'select(.id) | [.id + "~greedy", .caption.tokens]')
    vlrm-cat "$TMP/c.vlrm" | jq -es 'map(select(.id)) | all(.caption.group == .id[:4] and .caption.group_size == 4) and
        (map(select(.caption.baseline)) | length == 30 and all(.caption.sampler == {mode: "greedy"}))'
    vlrm-cat "$TMP/plain.vlrm" | jq -es 'map(select(.id)) | all(.caption | .group_size == 3 and (has("baseline") | not))'
    vlrm-cat "$TMP/c.vlrm" | jq -es 'map(select(.batch).batch.records) == [range(10) | 12]'
    # One caption a frame is in no group.
    vlrm-cat "$TMP/greedy.vlrm" | jq -es 'map(select(.id)) | all(.caption | has("group") | not)'
    exits 2 vlrm-rollout --model "$ORACLE/blip2" --greedy-baseline "$TMP/c.vlrm"
    says '--sample'
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

# Rollout in the background, its messages in $TMP/log: batches of 6 of 30 frames under the policy of $TMP/run.
follow() {
    vlrm-rollout --model "$ORACLE/blip2" --sample --policy "$TMP/run/policy" --batch 6 "$@" "$TMP/frames.vlrm" 2> "$TMP/log" > "$TMP/out.vlrm" &
    following=$!
}

# gives_up: it ends with status 1; what it said is `output`.
gives_up() {
    status=0
    wait $following || status=$?
    output=$(cat "$TMP/log")
    [ "$status" = 1 ] || { printf 'exit status %d: %s\n' "$status" "$output"; return 1; }
}

@test "a policy that nobody makes is not waited for: before the first step, and after an update that is gone" {
    frames > "$TMP/frames.vlrm"
    mkdir -p "$TMP/run/policy"
    follow --patience 1
    gives_up
    says "$TMP/run/policy: batch 0 waits for step 0, nothing is published, and for 1 s no vlrm-update has been at work there"

    vlrm-update --model "$ORACLE/blip2" --run "$TMP/run" --prepare
    follow --patience 1
    gives_up
    says "batch 1 waits for step 1, the latest is step 0"
}

@test "while an update is at work its policy is waited for as long as it takes" {
    frames > "$TMP/frames.vlrm"
    vlrm-update --model "$ORACLE/blip2" --run "$TMP/run" --prepare
    exec 8< "$TMP/run/update.lock"
    flock 8
    follow --patience 1 8<&-
    sleep 4
    kill -0 $following
    exec 8<&- # the update is gone
    gives_up
    says "batch 1 waits for step 1, the latest is step 0, and for 1 s"
}

@test "an update starts while rollouts look whether one is at work" {
    local i started=0
    mkdir -p "$TMP/run"
    : > "$TMP/run/update.lock"
    # Held time and again, and longer than for an instant, as where who looks loses his processor.
    (while [ -d "$TMP" ] && [ ! -e "$TMP/enough" ]; do flock -sn "$TMP/run/update.lock" sleep 0.2 || [ $? = 1 ]; done) &
    looking=$!
    for i in 1 2 3 4 5; do
        vlrm-update --model "$ORACLE/blip2" --run "$TMP/run" --prepare && started=$((started + 1))
    done
    touch "$TMP/enough"
    wait $looking
    [ "$started" = 5 ] && [ -e "$TMP/run/policy/latest" ]
}

# of_step STEP STREAM FILTER: what jq's FILTER makes of each caption in STREAM that batch STEP (of 6 records) has.
of_step() {
    vlrm-cat "$2" | jq -c -s --argjson k "$1" "map(select(.id)) | .[6 * \$k:6 * \$k + 6][] | $3"
}

@test "adapters published while it runs: captions are those of that step's policy alone, and of its export" {
    local k policy
    frames > "$TMP/frames.vlrm"
    vlrm-rollout --model "$ORACLE/blip2" --sample --policy "$TMP/run/policy" --batch 6 "$TMP/frames.vlrm" | tee "$TMP/live.vlrm" |
        vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" |
        vlrm-update --model "$ORACLE/blip2" --run "$TMP/run" --train lora-llm --lora-rank 2 --learning-rate 0.03 --warmup-steps 1 \
            --keep 9 --check-logp 1 > "$TMP/m"
    jq -es 'map(.step) == [1, 2, 3, 4, 5] and all(.logp_drift.max < 1e-4)' "$TMP/m"
    vlrm-rollout --model "$ORACLE/blip2" --greedy "$TMP/frames.vlrm" > "$TMP/base.vlrm"
    for k in 1 2 4; do
        policy=$TMP/run/policy/step-00000$k
        vlrm-rollout --model "$ORACLE/blip2" --sample --policy "$policy" "$TMP/frames.vlrm" > "$TMP/fresh.vlrm"
        [ "$(of_step $k "$TMP/live.vlrm" .id | wc -l)" = 6 ]
        cmp <(of_step $k "$TMP/live.vlrm" '[.id, .caption.tokens]') <(of_step $k "$TMP/fresh.vlrm" '[.id, .caption.tokens]')
        # The prompts went through the model in other company: on a device their sums may be rounded otherwise.
        paste -d' ' <(of_step $k "$TMP/live.vlrm" '.caption.logp[]') <(of_step $k "$TMP/fresh.vlrm" '.caption.logp[]') | near 1e-6

        vlrm-weights export --base "$ORACLE/blip2" --policy "$policy" --out "$TMP/exported-$k"
        vlrm-rollout --model "$ORACLE/blip2" --greedy --policy "$policy" "$TMP/frames.vlrm" > "$TMP/greedy.vlrm"
        vlrm-rollout --model "$TMP/exported-$k" --greedy "$TMP/frames.vlrm" > "$TMP/exported.vlrm"
        ids "$TMP/greedy.vlrm" > "$TMP/greedy"
        ids "$TMP/exported.vlrm" > "$TMP/exported"
        [ "$(wc -l < "$TMP/exported")" = 30 ]
        cmp "$TMP/greedy" "$TMP/exported"
        no cmp -s "$TMP/exported" <(ids "$TMP/base.vlrm")
    done
}

@test "frames without an image keep their places" {
    { head -1 captions.jsonl; echo '{"id": "gone", "frame": {"path": "images/none.png"}}'; echo '{"id": "none"}'
      sed -n 2,4p captions.jsonl; echo '{"id": "last"}'; } | jq -c '{id, frame} | del(.[] | nulls)' | vlrm-cat --from=json > "$TMP/in.vlrm"
    for options in --decode-batch=8 --decode-batch=1 --num-return=2; do
        vlrm-rollout --model "$ORACLE/blip2" --sample "$options" --batch 20 "$TMP/in.vlrm" > "$TMP/out.vlrm" 2> "$TMP/err" || status=$?
        [ "$status" = 3 ]
        cmp <(vlrm-cat "$TMP/out.vlrm" | jq -r 'select(.id) | .id | sub("~.*"; "")' | uniq) <(vlrm-cat "$TMP/in.vlrm" | jq -r 'select(.id) | .id')
        [ "$(vlrm-cat "$TMP/out.vlrm" | jq -s 'map(select(.id)) | length')" = "$(vlrm-cat "$TMP/out.vlrm" | jq 'select(.batch) | .batch.records')" ]
        [ "$(grep -o 'record [a-z]*: ' "$TMP/err" | tr -d '\n')" = 'record gone: record none: record last: ' ]
    done
}
