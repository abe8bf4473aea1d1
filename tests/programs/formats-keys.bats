#!/usr/bin/env bats
# formats/: every key that programs write is there. Streams, journal, metrics and run folder come from runs of their own; each key
# is looked up on the page that is about it.

load common

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    MODELS=$ROOT/tests/golden/oracle/tiny
    export VLRM_THREADS=1
}

# written_in PAGE: stdin has one key a line; each must stand in backticks, or in quotes, in formats/PAGE.md.
written_in() {
    local key known=0 unknown=0
    while read -r key; do
        known=$((known + 1))
        grep -qE "[\`\"]${key//./\\.}[\`\"]" "$ROOT/formats/$1.md" || {
            echo "formats/$1.md does not name $key"
            unknown=1
        }
    done < <(sort -u)
    [ "$known" -gt 0 ] || echo "nothing to look up in formats/$1.md"
    [ "$known" -gt 0 ] && [ "$unknown" = 0 ]
}

# keys FILTER FILE: keys of the objects that a jq filter gives, and of the objects within them, but those under params, upstream, options.
keys() {
    jq -r "def down: if type == \"object\" then (keys[], (to_entries[] | select(.key | IN(\"params\", \"upstream\", \"upstreams\", \"options\") | not) | .value | down))
           elif type == \"array\" then .[] | down else empty end; $1 | down" "$2"
}

@test "every key of frame, caption, features, reward, value, header, batch and end" {
    vlrm-world-render --seed 4 --split test --clips 2 --size 32 --out clips
    vlrm-extract --max 2 --journal journal clips/*.mp4 >frames
    local films=(clips/*.mp4)
    head -c 9000 "${films[0]}" >cut.mp4
    vlrm-extract --journal cut-journal cut.mp4 >cut-frames 2>said || [ $? = 3 ]
    vlrm-rollout --model "$MODELS/blip2" --sample --features --max-new-tokens 8 frames >captions
    jq -c --arg at "$MODELS/f64/" '.frame.path = $at + .frame.path' "$MODELS/f64/captions.jsonl" | vlrm-cat --from=json >made
    vlrm-reward --model "$MODELS/blip2" --itm "$MODELS/itm" --clip "$MODELS/clip" --batch 0 captions made >rewards
    vlrm-update --model "$MODELS/blip2" --run run --off-policy --batch 2 --record recorded --check-logp 1 rewards >metrics.jsonl
    vlrm-reward --model "$MODELS/blip2" --itm "$MODELS/itm" --clip "$MODELS/clip" --defer made >deferred
    for stream in frames captions rewards deferred recorded; do vlrm-cat $stream; done >lines
    for group in frame caption features reward value; do
        jq -c "select(.$group) | .$group" lines >of-group
        keys . of-group | written_in $group
    done
    jq -c 'select(.vlrm or .batch or .end)' lines >envelope
    keys . envelope | written_in envelope
    cat journal cut-journal >verdicts
    keys . verdicts | written_in journal
    keys . metrics.jsonl | written_in metrics
    keys . run/metrics.jsonl | written_in metrics
    jq 'with_entries(select(.key | IN("version", "digests", "upstream", "changes")))' run/config.json >config # the rest are options
    keys . config | written_in run
    for file in run/policy/latest/config.json run/state/*/state.json; do keys . "$file" | written_in run; done
}

@test "every rule that marks a token, and the frames that are made by hand" {
    jq -cn --arg at "$MODELS/f64/images" '{id: "1", frame: {path: "\($at)/0000.png"}, caption: {text: "an image of a dog in 1999 and a dog"}}' |
        vlrm-cat --from=json | vlrm-reward --no-ref --model "$ROOT/share/tiny/captioner" --itm "$ROOT/share/tiny/itm" | vlrm-cat >lines
    jq -r 'select(.id) | .reward.fired[].rule' lines | sort -u >rules
    diff rules <(printf '%s\n' bad repeat year)
    written_in reward <rules
    jq -c 'select(.id) | .frame' lines >of-group
    keys . of-group | written_in frame
}
