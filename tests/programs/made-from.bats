# What was made from what: a stage that replaces a caption drops its reward; a reward of another caption is refused by name.
# bats file_tags=asan

setup() {
    load oracle
    oracle_setup
    small=$ORACLE/blip2
    rewarded | vlrm-reward --recombine --model "$small" > "$TMP/rewarded.vlrm"
}

groups() {
    vlrm-cat "$1" | jq -c 'select(.id) | keys_unsorted' | sort -u
}

# stale ID: the rewarded records, that one with the caption of another.
stale() {
    vlrm-cat "$TMP/rewarded.vlrm" | jq -cs --arg id "$1" '(map(select(.id == "0001"))[0].caption) as $other | .[] |
        if .id == $id then .caption = $other else . end' | vlrm-cat --from=json
}

@test "rollout over rewarded records drops what was made from the old caption, and says so once" {
    vlrm-cat --from=json < <(vlrm-cat -n 3 "$TMP/rewarded.vlrm" | jq -c 'select(.id) | .value = {values: []} | .mine = {x: 1}') > "$TMP/in.vlrm"
    vlrm-rollout --model "$small" --greedy "$TMP/in.vlrm" > "$TMP/out.vlrm" 2> "$TMP/err"
    [ "$(groups "$TMP/out.vlrm")" = '["id","frame","caption","mine"]' ]
    [ "$(grep -c 'is dropped' "$TMP/err")" = 1 ]
    grep -qF 'record 0000: group reward is dropped, it was made from what is replaced here' "$TMP/err"
    vlrm-reward --recombine --model "$small" < <(vlrm-cat --from=json < <(vlrm-cat -n 3 "$TMP/rewarded.vlrm" |
        jq -c 'select(.id) | .value = {values: []}')) > "$TMP/again.vlrm"
    [ "$(groups "$TMP/again.vlrm")" = '["id","frame","caption","reward"]' ]
}

@test "a reward names its caption: the hash of its tokens" {
    vlrm-cat -n 5 "$TMP/rewarded.vlrm" | jq -c 'select(.id) | [.caption.tokens, .reward.caption]' > "$TMP/pairs"
    /usr/bin/python3 - "$TMP/pairs" <<'END'
import json, struct, sys, xxhash
pairs = [json.loads(l) for l in open(sys.argv[1])]
assert len(pairs) == 5
for tokens, digest in pairs:
    assert xxhash.xxh3_64(struct.pack("<%dq" % len(tokens), *tokens)).hexdigest() == digest
END
}

@test "a reward of another caption is refused by update, explain, diff and recombine: exit 6 with the record" {
    stale 0007 > "$TMP/stale.vlrm"
    for command in "vlrm-update --model $small --run $TMP/run --off-policy --batch 30" "vlrm-explain --model $small" \
        "vlrm-diff $TMP/rewarded.vlrm" "vlrm-reward --recombine --model $small"; do
        # shellcheck disable=SC2086 # words
        exits 6 bash -c "$command '$TMP/stale.vlrm' 2>&1 > /dev/null"
        says "record 0007: its reward is of another caption"
        says "run vlrm-reward again"
    done
    [ ! -e "$TMP/run/metrics.jsonl" ] || [ ! -s "$TMP/run/metrics.jsonl" ]
    vlrm-cat "$TMP/rewarded.vlrm" | jq -c 'if .id == "0007" then .caption = {text: "a circle"} else . end' | vlrm-cat --from=json > "$TMP/text.vlrm"
    exits 6 vlrm-explain --model "$small" --id 0007 "$TMP/text.vlrm"
    says "record 0007: its reward is of a caption with tokens, this caption has none"
}

@test "rewards of before, without a digest, are read; -v says that nothing was checked" {
    stale 0007 | vlrm-cat | jq -c 'if .reward then del(.reward.caption) else . end' | vlrm-cat --from=json > "$TMP/old.vlrm"
    vlrm-explain -v --model "$small" "$TMP/old.vlrm" > "$TMP/out" 2> "$TMP/err"
    [ "$(grep -c 'does not name its caption' "$TMP/err")" = 1 ]
    exits 7 vlrm-diff "$TMP/rewarded.vlrm" "$TMP/old.vlrm"
    vlrm-reward --recombine --model "$small" "$TMP/old.vlrm" > "$TMP/new.vlrm"
    [ "$(vlrm-cat "$TMP/new.vlrm" | jq -s 'map(select(.reward.caption)) | length')" = 30 ]
}
