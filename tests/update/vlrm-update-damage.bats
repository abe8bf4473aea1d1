# vlrm-update on run folders that somebody or something has damaged: each file cut, changed in one bit, swapped, missing. It says which
# file, what it found and what it expected; or, where the file is only derived, writes it anew. Never a step from what is not right.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    update=(vlrm-update --model "$ORACLE/blip2" --off-policy --batch 6 --learning-rate 1e-3 --warmup-steps 3 --value-head linear --run "$TMP/run")
    state=$TMP/run/state/step-000002
    rewarded > "$TMP/in.vlrm"
    "${update[@]}" --max-steps 2 "$TMP/in.vlrm" > /dev/null
    cp -a "$TMP/run" "$TMP/good"
}

restore() {
    rm -r "$TMP/run"
    cp -a "$TMP/good" "$TMP/run"
}

# refused STATUS TEXT: it ends with that status, says TEXT, and has taken no step; the folder is made good again.
refused() {
    exits "$1" "${update[@]}" "$TMP/in.vlrm"
    says "$2"
    no grep -q '"step":3,' "$TMP/run/metrics.jsonl"
    restore
}

# goes_on: to the parameters of a run that nothing happened to.
goes_on() {
    exits 0 "${update[@]}" "$TMP/in.vlrm"
    for file in state/step-000005/{policy,value}.safetensors policy/step-000005/model.safetensors consumed; do
        cmp "$TMP/whole/$file" "$TMP/run/$file"
    done
    restore
}

# flip FILE OFFSET: its lowest bit.
flip() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf '%b' "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# edit FILTER: state.json by jq, as an honest writer would not.
edit() {
    jq "$1" "$TMP/good/state/step-000002/state.json" > "$state/state.json"
}

@test "a checkpoint cut, missing, or changed in one bit" {
    for name in policy value; do
        file=$state/$name.safetensors
        size=$(stat -c %s "$file")
        for left in 0 7 8 100 $((size / 2)) $((size - 1)); do
            truncate -s "$left" "$file"
            refused 5 "$file: "
        done
        rm "$file"
        refused 1 "$file: No such file"
        for at in $((size / 2)) $((size * 3 / 4)) $((size - 1)); do
            flip "$file" "$at"
            refused 5 "$file: digest of its tensors is "
        done
    done
}

@test "a state.json cut, missing, or changed: not even a digit of it" {
    file=$state/state.json
    size=$(stat -c %s "$file")
    for left in 0 1 100 $((size / 2)) $((size - 1)); do
        truncate -s "$left" "$file"
        refused 5 "$file: "
    done
    rm "$file"
    refused 1 "$file: No such file"
    for change in '.step = 3' '.next_batch = 1' '.next_batch = 3' 'del(.next_batch)' '.consumed = 11' '.consumed = -1' '.metrics_bytes -= 1' \
        '.options.seed = 2' '.digests.policy = .digests.value' '.digests.base = "0123456789abcdef"'; do
        edit "$change"
        refused 5 "$file: digest of what it says is "
    done
    edit 'del(.digests.state)'
    refused 5 "$file: digest of what it says is "
}

@test "a checkpoint of another step or of another run" {
    mv "$state" "$TMP/run/state/step-000007"
    refused 5 "step-000007/state.json: is the state of step 2, expected step 7"
    # Another run of the same options, on other rewards.
    other=("${update[@]}" --run "$TMP/other")
    rewarded returns_rs > "$TMP/other.vlrm"
    "${other[@]}" --max-steps 2 "$TMP/other.vlrm" > /dev/null
    for name in policy value; do
        cp "$TMP/other/state/step-000002/$name.safetensors" "$state"
        refused 5 "$state/$name.safetensors: digest of its tensors is "
    done
    # And on other records: the ids that its state vouches for are not those of this run.
    rewarded | vlrm-cat | jq -c 'select(.id) | .id = "new" + .id' | vlrm-cat --from=json > "$TMP/new.vlrm"
    rm -r "$TMP/other"
    "${other[@]}" --max-steps 2 "$TMP/new.vlrm" > /dev/null
    rm -r "$state"
    cp -r "$TMP/other/state/step-000002" "$state"
    refused 5 "$TMP/run/consumed: digest of 12 ids is "
}

@test "consumed ids cut or changed, a config.json that is none" {
    for left in 0 7 8 95; do
        truncate -s "$left" "$TMP/run/consumed"
        refused 5 "$TMP/run/consumed: found $((left / 8)) consumed ids, the checkpoint expects 12"
    done
    for at in 0 50 95; do
        flip "$TMP/run/consumed" "$at"
        refused 5 "$TMP/run/consumed: digest of 12 ids is "
    done
    truncate -s 100 "$TMP/run/config.json"
    refused 5 "$TMP/run/config.json: line "
}

@test "a published policy that is not the state's is written anew; latest is put right" {
    cp -a "$TMP/run" "$TMP/whole"
    "${update[@]}" --run "$TMP/whole" "$TMP/in.vlrm" > /dev/null
    policy=$TMP/run/policy/step-000002
    want=$TMP/good/policy/step-000002
    for damage in "truncate -s 100 $policy/model.safetensors" "flip $policy/model.safetensors 59000" "rm $policy/model.safetensors" \
        "cp $TMP/good/policy/step-000001/model.safetensors $policy" "truncate -s 9 $policy/config.json" \
        "cp $TMP/good/policy/step-000001/config.json $policy" "rm -r $policy" "ln -sfn step-000099 $TMP/run/policy/latest" \
        "ln -sfn nowhere $TMP/run/policy/latest" "rm $TMP/run/policy/latest"; do
        $damage
        "${update[@]}" --prepare
        cmp "$want/model.safetensors" "$policy/model.safetensors"
        cmp "$want/config.json" "$policy/config.json"
        [ "$(readlink "$TMP/run/policy/latest")" = step-000002 ]
        goes_on
    done
    # One that a killed run has begun and published, without its state.
    mkdir "$TMP/run/policy/step-000003"
    ln -sfn step-000003 "$TMP/run/policy/latest"
    goes_on
}

@test "rollout and export refuse a policy that is not as it was published" {
    rollout=(vlrm-rollout --model "$ORACLE/blip2" --greedy --max-new-tokens 4 --patience 1 --policy)
    captions | vlrm-cat | jq -c 'select(.id) | {id, frame}' | head -2 | vlrm-cat --from=json > "$TMP/frames.vlrm"
    policy=$TMP/run/policy/step-000002
    exits 0 "${rollout[@]}" "$policy" "$TMP/frames.vlrm"
    flip "$policy/model.safetensors" 59000
    exits 5 "${rollout[@]}" "$policy" "$TMP/frames.vlrm"
    says "$policy: digest of its tensors is "
    for only in "" --delta-only; do
        exits 5 vlrm-weights export --base "$ORACLE/blip2" --policy "$policy" --out "$TMP/exported" $only
        says "$policy: digest of its tensors is "
        [ ! -e "$TMP/exported" ]
    done
    restore
    cp "$TMP/good/policy/step-000001/model.safetensors" "$policy"
    exits 5 "${rollout[@]}" "$policy" "$TMP/frames.vlrm"
    says "$policy: digest of its tensors is "
    restore
    truncate -s 59000 "$policy/model.safetensors"
    exits 5 "${rollout[@]}" "$policy" "$TMP/frames.vlrm"
    says "$policy/model.safetensors: "
    restore
    truncate -s 20 "$policy/config.json"
    exits 5 "${rollout[@]}" "$policy" "$TMP/frames.vlrm"
    says "$policy/config.json: "
    restore
    # Followed: batch 0 is sampled by step 0, which `latest` does not have.
    rm -r "$TMP"/run/policy/*
    ln -s nowhere "$TMP/run/policy/latest"
    exits 1 "${rollout[@]}" "$TMP/run/policy" "$TMP/frames.vlrm"
    says "latest: names 'nowhere', expected step-NNNNNN"
    ln -sfn step-000000 "$TMP/run/policy/latest"
    exits 1 "${rollout[@]}" "$TMP/run/policy" "$TMP/frames.vlrm"
    says "step-000000/config.json: "
}

@test "two updates on one run: the second one is refused" {
    mkfifo "$TMP/pipe"
    "${update[@]}" "$TMP/pipe" > /dev/null &
    first=$!
    exec 7> "$TMP/pipe" # it has opened the run when it opens its input
    eventually 60 no flock -n "$TMP/run/update.lock" true
    exits 1 "${update[@]}" "$TMP/in.vlrm"
    says "$TMP/run/update.lock: another vlrm-update works on this run"
    cat "$TMP/in.vlrm" >&7
    exec 7>&-
    wait "$first"
    cp -a "$TMP/run" "$TMP/both"
    cp -a "$TMP/good" "$TMP/whole"
    "${update[@]}" --run "$TMP/whole" "$TMP/in.vlrm" > /dev/null
    cmp "$TMP/whole/state/step-000005/policy.safetensors" "$TMP/both/state/step-000005/policy.safetensors"
}

@test "no room for a file: said, and the checkpoint before it is as it was" {
    cp -a "$TMP/run" "$TMP/whole"
    "${update[@]}" --run "$TMP/whole" "$TMP/in.vlrm" > /dev/null
    biggest=$(find "$state" -name '*.safetensors' -printf '%k\n' | sort -n | tail -1)
    while read -r kib file; do
        exits 1 bash -c 'ulimit -f "$1"; exec "${@:2}"' - "$kib" "${update[@]}" "$TMP/in.vlrm"
        says "/$file: File too large"
        diff -r "$TMP/good/state" "$TMP/run/state"
        [ -z "$(find "$TMP/run" -name '*.writing-*')" ]
        [ "$(readlink "$TMP/run/policy/latest")" = step-000002 ]
        [ "$kib" = 16 ] || says "(the last checkpoint is untouched)"
        goes_on
    done <<< "16 model.safetensors
        70 policy.safetensors
        $((biggest - 20)) policy.safetensors"
}

@test "a full disk: said, whatever file it is, and the same command goes on when there is room" {
    [ "$(id -u)" = 0 ] || skip "needs root to mount a small file system"
    mkdir "$TMP/small"
    mount -t tmpfs -o size=1m none "$TMP/small" 2> /dev/null || skip "cannot mount a tmpfs here"
    cp -a "$TMP/run" "$TMP/whole"
    "${update[@]}" --run "$TMP/whole" "$TMP/in.vlrm" > /dev/null
    kept=$(du -sk "$TMP/good" | cut -f1) full=0
    for more in 8 40 70 100 160 220 270 330; do # KiB beside the run as it is: of policy and state, a step writes some 350
        mount -o remount,size=$((kept + more))k "$TMP/small"
        cp -a "$TMP/good" "$TMP/small/run"
        run "${update[@]}" --keep 9 --run "$TMP/small/run" "$TMP/in.vlrm"
        [ "$status" = 1 ]
        says "No space left on device"
        [ -z "$(find "$TMP/small/run" -name '*.writing-*')" ]
        diff -r "$TMP/good/state/step-000002" "$TMP/small/run/state/step-000002"
        full=$((full + 1))
        mount -o remount,size=16m "$TMP/small"
        "${update[@]}" --run "$TMP/small/run" "$TMP/in.vlrm" > /dev/null
        cmp "$TMP/whole/state/step-000005/policy.safetensors" "$TMP/small/run/state/step-000005/policy.safetensors"
        rm -r "$TMP/small/run"
    done
    umount "$TMP/small"
    [ "$full" = 8 ]
}

teardown() {
    ! mountpoint -q "$TMP/small" || umount "$TMP/small"
}

@test "a batch that changed on its way makes no step, and those before it were whole" {
    rm -rf "$TMP/run"
    vlrm-reward --recombine --batch 6 --model "$ORACLE/blip2" "$TMP/in.vlrm" > "$TMP/batches.vlrm"
    [ "$(vlrm-cat --count "$TMP/batches.vlrm")" = 30 ]
    # One bit of a log-probability of the eighth record, which is in the second batch.
    at=$(grep -abo 0007 "$TMP/batches.vlrm" | head -1 | cut -d: -f1)
    at=$((at + $(tail -c +$((at + 1)) "$TMP/batches.vlrm" | grep -abo -m1 logp | head -1 | cut -d: -f1) + 12))
    flip "$TMP/batches.vlrm" "$at"
    exits 5 vlrm-update --model "$ORACLE/blip2" --off-policy --value-head linear --run "$TMP/run" "$TMP/batches.vlrm"
    says "the digest of the batch record does not agree with what was read"
    [ "$(readlink "$TMP/run/policy/latest")" = step-000001 ]
    [ "$(jq -c .step "$TMP/run/metrics.jsonl")" = 1 ]
    exits 5 vlrm-cat --count "$TMP/batches.vlrm"
}
