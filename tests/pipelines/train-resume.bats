# vlrm train taken up again: with other options, models or lists than those of the steps before it is refused, before any step.

setup() {
    load ../programs/common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1
    cp -r "$ORACLE/itm" "$ORACLE/blip2" "$TMP"
    cp "$ROOT/share/bad-phrases.txt" "$TMP/phrases"
    train=("$ROOT/bin/vlrm" train --run "$TMP/run" --model "$TMP/blip2" --itm "$TMP/itm" --bad-phrases "$TMP/phrases" --batch 5 --max-new-tokens 12
        --learning-rate 1e-3 "$ORACLE/f64/images")
}

# flip FILE: the lowest bit of its last byte.
flip() {
    local at=$(($(stat -c %s "$1") - 1))
    printf '%b' "\\x$(printf %x $(($(tail -c 1 "$1" | od -An -tu1) ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

started() {
    "${train[@]}" --max-steps 2 > /dev/null
    cp -r "$TMP/run" "$TMP/before"
}

# refused TEXT [OPTION..]: exit 6 of vlrm-update that says it; nothing of the run has changed but its logs.
refused() {
    exits 6 "${train[@]}" --max-steps 4 "${@:2}"
    says "update ended with status 6"
    says "$1 as in the steps before"
    diff -r --exclude=logs --exclude=status --exclude=config.json "$TMP/before" "$TMP/run"
    diff <(jq -S .upstream "$TMP/before/config.json") <(jq -S .upstream "$TMP/run/config.json")
}

@test "another option of extract, rollout or reward: which stage, which option, both values" {
    started
    refused '--gamma of reward is 0.5, expected 1.0' --gamma 0.5
    refused '--no-ref of reward is true, expected false' --no-ref
    refused '--temperature of rollout is 1.0, expected 2.0' --temperature 1
    refused '--size of extract is "20", expected null' --size 20
    exits 0 "${train[@]}" --max-steps 3 --patience 100 --jobs 2 --limit 1000
}

@test "another model or list, by name or under the same name, is refused; the same elsewhere is not" {
    started
    cp -r "$TMP/itm" "$TMP/other"
    flip "$TMP/other/model.safetensors"
    was=$(vlrm-weights digest "$TMP/itm" | cut -f1) is=$(vlrm-weights digest "$TMP/other" | cut -f1)
    refused "itm of reward is digest $is, expected digest $was" --itm "$TMP/other"
    refused "clip of reward is digest $(vlrm-weights digest "$ORACLE/clip" | cut -f1), expected none" --clip "$ORACLE/clip"
    flip "$TMP/itm/model.safetensors"
    refused "itm of reward is digest $is, expected digest $was"
    flip "$TMP/itm/model.safetensors"
    echo 'a new phrase' >> "$TMP/phrases"
    refused "bad-phrases of reward is digest $(xxh3 "$TMP/phrases"), expected digest $(xxh3 "$ROOT/share/bad-phrases.txt")"
    cp "$ROOT/share/bad-phrases.txt" "$TMP/phrases"
    mv "$TMP/itm" "$TMP/moved"
    exits 0 "${train[@]}" --max-steps 3 --itm "$TMP/moved" --bad-phrases "$ROOT/share/bad-phrases.txt"
}

# xxh3 FILE: by Debian's Python, which has Debian's packages.
xxh3() {
    /usr/bin/python3 -c 'import sys, xxhash; print(xxhash.xxh3_64(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}

@test "--change-options goes on: config.json has the new ones, metrics say at which step and what" {
    started
    exits 0 "${train[@]}" --max-steps 3 --gamma 0.5 --no-ref --learning-rate 0.5 --change-options
    grep -q -- '--gamma of reward changes from 1.0 to 0.5' "$TMP/run/logs/update.log"
    jq -e '.upstream.params.gamma == 0.5 and .upstream.params["no-ref"] and ([.upstream.inputs[].role] | index("ref") | not)' "$TMP/run/config.json"
    want='[["reward","gamma",1.0,0.5],["reward","no-ref",false,true],["reward","ref"],["update","learning-rate",0.001,0.5]]'
    said='map([.stage, (.option // .input), if .option then .from, .to else empty end]) | sort'
    diff <(jq -cn "$want") <(jq -c "(.changed | $said)" <(sed -n 3p "$TMP/run/metrics.jsonl"))
    diff <(jq -cn "$want") <(jq -c "(.changes | $said)" "$TMP/run/config.json")
    # From here on they are the run's own.
    rm -r "$TMP/before"
    cp -r "$TMP/run" "$TMP/before"
    refused '--gamma of reward is 1.0, expected 0.5' --no-ref --learning-rate 0.5
    exits 0 "${train[@]}" --max-steps 4 --gamma 0.5 --no-ref --learning-rate 0.5
    jq -es '[.[] | has("changed")] == [false, false, true, false]' "$TMP/run/metrics.jsonl"
}
