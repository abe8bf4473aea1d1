# vlrm-update taken up with an input from other stages: what of their headers is compared, and when. Through the recipe:
# pipelines/train-resume.bats.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    update=(vlrm-update --model "$ORACLE/blip2" --off-policy --learning-rate 1e-3 --value-head linear --run "$TMP/run")
    head -6 captions.jsonl | jq -c '{id, frame: {path: ("'"$PWD"'/" + .frame.path)}}' > "$TMP/frames.jsonl"
    jq -r .frame.path "$TMP/frames.jsonl" > "$TMP/list"
}

# stream FILTER: extract, rollout and reward of three batches of two, header changed by a jq filter.
stream() {
    [ -e "$TMP/lines" ] || vlrm-extract --list "$TMP/list" --batch 2 | vlrm-rollout --model "$ORACLE/blip2" --sample --max-new-tokens 8 |
        vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" | vlrm-cat --bin=base64 > "$TMP/lines"
    jq -c "if .vlrm then $1 else . end" "$TMP/lines" | vlrm-cat --from=json
}

# skipped FILTER: the same as a rollout sends it that follows a run of one step: the first batch is empty.
skipped() {
    stream "$1" | vlrm-cat --bin=base64 | jq -c 'if .batch then .batch.records = (if .batch.index == 0 then 0 else 2 end) else . end' |
        awk '/^{"id"/ && ++n <= 2 {next} {print}' | vlrm-cat --from=json
}

@test "every option of the stages before that numbers depend on is compared, also where the first batches are skipped" {
    stream . | "${update[@]}" --max-steps 1 > /dev/null
    # Every option another: which are said? But --prompt and --tiles of rollout, which this captioner has none of: update would refuse it.
    other='def other: if type == "number" then . + 1 elif type == "boolean" then not else "other" end; def others: with_entries(if .key == "prompt" or .key == "tiles" then . else .value |= other end);
        .params |= others | .upstream.params |= others | .upstream.upstream.params |= others'
    exits 0 bash -c 'cat "$1" | "${@:2}"' - <(skipped "$other") "${update[@]}" --max-steps 2 --change-options
    sed -nE 's/.*: --([a-z-]+ of [a-z]+) changes from .*/\1/p' <<< "$output" | sort > "$TMP/said"
    # All but those of the machine, of where files lie and of when to end, which each stage names in its header.
    jq -r 'select(.vlrm) | ., .upstream, .upstream.upstream | .stage as $s | .may_change[] | . + " of " + $s' "$TMP/lines" | sort > "$TMP/may_change"
    cut -d' ' -f1 "$TMP/may_change" | sort -u | diff <(printf '%s\n' append bad-phrases clip deadline deal decode-batch defer device exempt-words good-phrases itm jobs \
        journal limit list model patience plan policy ref resume retry sandbox score-batch spool spool-memory threads zstd) -
    jq -r 'select(.vlrm) | ., .upstream, .upstream.upstream | .stage as $s | .params | keys[] | . + " of " + $s' "$TMP/lines" | sort > "$TMP/options"
    grep -vxFf "$TMP/may_change" "$TMP/options" | grep -vE "^(prompt|tiles) of " > "$TMP/want"
    [ "$(wc -l < "$TMP/want")" -gt 45 ]
    diff "$TMP/want" "$TMP/said"
}

@test "it is refused before a step, config.json untouched, and its own input then goes on" {
    stream . > "$TMP/in.vlrm"
    "${update[@]}" --max-steps 1 "$TMP/in.vlrm" > /dev/null
    cp "$TMP/run/config.json" "$TMP/config.json"
    skipped '.params.gamma = 0.25' > "$TMP/other.vlrm"
    exits 6 "${update[@]}" --max-steps 1 "$TMP/other.vlrm"
    says "--gamma of reward is 0.25, expected 1 as in the steps before"
    skipped '.inputs |= map(if .role == "itm" then .digest = "0123456789abcdef" else . end)' > "$TMP/other.vlrm"
    exits 6 "${update[@]}" --max-steps 1 "$TMP/other.vlrm"
    says "itm of reward is digest 0123456789abcdef, expected digest $(vlrm-weights digest "$ORACLE/itm" | cut -f1)"
    [ "$(wc -l < "$TMP/run/metrics.jsonl")" = 1 ]
    diff <(jq -S .upstream "$TMP/config.json") <(jq -S .upstream "$TMP/run/config.json")
    # a list of sources may have grown
    skipped '.upstream.upstream.inputs |= map(select(.role == "list").digest = "0123456789abcdef")' > "$TMP/more.vlrm"
    [ "$(vlrm-cat "$TMP/more.vlrm" | head -1 | jq -r '.upstream.upstream.inputs[0].digest')" = 0123456789abcdef ]
    "${update[@]}" "$TMP/more.vlrm" > "$TMP/m"
    [ "$(jq -s 'map(.step)' -c "$TMP/m")" = '[2,3]' ]
}

@test "two stages of one name are compared each with its own" {
    twice() {
        stream "$1" | vlrm-reward --recombine --gamma 0.5 --model "$ORACLE/blip2"
    }
    twice . | "${update[@]}" --max-steps 1 > /dev/null
    twice . | "${update[@]}" --max-steps 2 > /dev/null
    twice '.params.gamma = 0.25' > "$TMP/other.vlrm"
    exits 6 "${update[@]}" "$TMP/other.vlrm"
    says "--gamma of reward is 0.25, expected 1"
}

@test "a change that is taken back before the next step was none" {
    stream . > "$TMP/in.vlrm"
    "${update[@]}" --max-steps 1 "$TMP/in.vlrm" > /dev/null
    stream '.params.gamma = 0.25' > "$TMP/other.vlrm"
    "${update[@]}" --max-steps 1 --seed 7 --change-options "$TMP/other.vlrm"
    jq -e '.changes | map(.option) | sort == ["gamma", "seed"]' "$TMP/run/config.json"
    "${update[@]}" --max-steps 1 --change-options "$TMP/in.vlrm"
    jq -e 'has("changes") | not' "$TMP/run/config.json"
    jq -e '.upstream.params.gamma == 1' "$TMP/run/config.json"
}
