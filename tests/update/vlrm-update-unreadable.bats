# vlrm-update on run folders of which something cannot be read, for the moment: permissions, a disk's error, no descriptor left. What
# cannot be read is not taken for missing: nothing is cut or written over, and when it can be read again the run goes on.

setup() {
    load ../programs/oracle
    oracle_setup
    update=(vlrm-update --model "$ORACLE/blip2" --off-policy --batch 6 --learning-rate 1e-3 --warmup-steps 3 --value-head linear --run "$TMP/run")
    rewarded > "$TMP/in.vlrm"
    "${update[@]}" --max-steps 3 "$TMP/in.vlrm" > /dev/null
    cp -a "$TMP/run" "$TMP/good"
}

# untouched: state, metrics and ids are as they were; the same command then goes on to the parameters of a run that nothing happened to.
untouched() {
    diff -r "$TMP/good/state" "$TMP/run/state"
    cmp "$TMP/good/metrics.jsonl" "$TMP/run/metrics.jsonl"
    cmp "$TMP/good/consumed" "$TMP/run/consumed"
    [ "$(readlink "$TMP/run/policy/latest")" = step-000003 ]
}

goes_on() {
    exits 0 "${update[@]}" "$TMP/in.vlrm"
    for file in state/step-000005/{policy,value}.safetensors policy/step-000005/model.safetensors consumed; do
        cmp "$TMP/whole/$file" "$TMP/run/$file"
    done
    [ "$(wc -l < "$TMP/run/metrics.jsonl")" = 5 ]
    rm -r "$TMP/run"
    cp -a "$TMP/good" "$TMP/run"
}

whole() {
    cp -a "$TMP/good" "$TMP/whole"
    "${update[@]}" --run "$TMP/whole" "$TMP/in.vlrm" > /dev/null
}

@test "as an ordinary user, whatever of the run has lost its permissions" {
    permissions_bind
    whole
    while read -r mode name says; do
        was=$(stat -c %a "$TMP/run/$name")
        chmod "$mode" "$TMP/run/$name"
        exits 1 ordinary "${update[@]}" "$TMP/in.vlrm"
        chmod "$was" "$TMP/run/$name"
        says "$TMP/run${says:+/$says}: Permission denied"
        untouched
        goes_on
    done <<< '333 state state
        000 state state
        000 state/step-000003 state/step-000003/state.json
        000 state/step-000003/state.json state/step-000003/state.json
        000 state/step-000003/value.safetensors state/step-000003/value.safetensors
        333 policy policy
        000 policy/step-000003 policy/step-000003/config.json
        000 policy/step-000003/model.safetensors policy/step-000003/model.safetensors
        000 config.json config.json
        000 metrics.jsonl metrics.jsonl
        000 consumed consumed
        333 .'
}

@test "state/ is a link to a place that is not there" {
    whole
    mv "$TMP/run/state" "$TMP/disk"
    ln -s "$TMP/gone" "$TMP/run/state"
    exits 1 "${update[@]}" "$TMP/in.vlrm"
    says "$TMP/run/state: No such file or directory"
    rm "$TMP/run/state"
    mv "$TMP/disk" "$TMP/run/state"
    untouched
    goes_on
}

@test "a disk's error, or no descriptor left, while a folder of the run is listed" {
    strace -o /dev/null true 2> /dev/null || skip "strace cannot trace here (not installed, or ptrace is not allowed)"
    whole
    for fault in getdents64:EIO openat:EMFILE openat:ENFILE openat:EACCES; do
        for folder in state policy; do
            exits 1 strace -f -qq -o "$TMP/trace" -P "$TMP/run/$folder" -e "trace=${fault%:*}" -e "inject=${fault%:*}:error=${fault#*:}" "${update[@]}" "$TMP/in.vlrm"
            grep -q INJECTED "$TMP/trace"
            says "$TMP/run/$folder: "
            untouched
            goes_on
        done
    done
}
