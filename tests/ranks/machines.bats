#!/usr/bin/env bats
# Training on two machines, network namespaces with names and addresses of their own: the same bits; a cable that is cut; nothing is left
# anywhere.

setup() {
    load ../programs/common
    command -v mpirun > /dev/null || skip "no mpirun here (openmpi-bin)"
    command -v ip > /dev/null || skip "no ip here (iproute2)"
    TMP=$BATS_TEST_TMPDIR
    unshare --net --mount "$ROOT/tests/ranks/machines.sh" "$TMP" true 2> "$TMP/why" || skip "the kernel gives no network namespaces here: $(tail -n 1 "$TMP/why")"
    ORACLE=$ROOT/tests/golden/oracle/tiny
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    train=("$ROOT/bin/vlrm" train --model "$ORACLE/blip2" --itm "$ORACLE/itm" --learning-rate 1e-2 --warmup-steps 0 --max-new-tokens 8 --block 2)
    slowly=(--batch 3 --value-updates 50) # ten steps, so slow that somebody can meddle
    "$ROOT/bin/vlrm" corpus --out "$TMP/shards" --shards 2 --jobs 1 "$ORACLE/f64/images"
    cd "$TMP" || return
}

# on_two SCRIPT ARGUMENT...: two machines, and on them a script in which "${mpirun[@]}" starts a rank on each.
on_two() {
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare --net --mount "$ROOT/tests/ranks/machines.sh" "$TMP" bash -c '. "$0/tests/programs/common.bash"
        mpirun=(mpirun --host 10.9.0.1:1,10.9.0.2:1 -n 2)
        steps_taken() { [ "$(cat "$1/metrics.jsonl" 2> /dev/null | wc -l)" -ge "$2" ]; }
        eval "$1"' "$ROOT" "$@"
}

same_parameters() {
    local set
    for set in policy value; do cmp "$1/state/step-$(printf %06d "$3")/$set.safetensors" "$2/state/step-$(printf %06d "$3")/$set.safetensors"; done
    cmp "$1/consumed" "$2/consumed"
}

# Processes of the run or of its launcher, on either machine; the test's own shells aside.
steps_taken() {
    [ "$(cat "$1/metrics.jsonl" 2> /dev/null | wc -l)" -ge "$2" ]
}

left() {
    pgrep -af -- "$TMP/run|orted" | grep -E "$TMP/(run|agent)|orted|10[.]9[.]0" | grep -v ' bash -c '
}

@test "a rank on each of two machines: the parameters of one, and metrics say how many there were" {
    "${train[@]}" --run one --batch 11 shards > /dev/null
    # shellcheck disable=SC2016
    on_two '"${mpirun[@]}" "${@:2}" > out' "${train[@]}" --run "$TMP/two" --batch 11 "$TMP/shards"
    same_parameters one two 3
    jq -se 'map([.ranks.size, .ranks.hosts]) == [[2, 2], [2, 2], [2, 2]]' two/metrics.jsonl
    grep -q '2 ranks on 2 hosts' two/logs/update.log
}

# bats test_tags=slow
@test "a cable that is cut: after --patience the other machine is named, the programs end on both, and the same command goes on" {
    "${train[@]}" --run one "${slowly[@]}" shards > /dev/null
    # shellcheck disable=SC2016
    on_two '"${mpirun[@]}" "${@:2}" > out 2> err & job=$!
        eventually 60 steps_taken run 2
        ip link set v2 down
        # vlrm-update on both machines, each by itself
        eventually 60 no pgrep -f -- "vlrm-update .*--config=$PWD/run/(ranks/1/)?train.json" > /dev/null
        ip link set v2 up
        wait $job && exit 1
        true' "${train[@]}" --run "$TMP/run" "${slowly[@]}" --patience 10 "$TMP/shards"
    grep -hE 'waited 1[0-9] s for .*: (no word from rank 1 \(m2\)|all ranks had come, but there is no more word from rank 1 \(m2\)) \(--patience\)' run/logs/update.log
    grep -qE 'waited (1[5-9]|2[0-9]) s for .* \(--patience\)' run/ranks/1/logs/update.log
    eventually 60 no left
    no steps_taken run 10
    # shellcheck disable=SC2016
    on_two '"${mpirun[@]}" "${@:2}" > out' "${train[@]}" --run "$TMP/run" "${slowly[@]}" --patience 10 "$TMP/shards"
    same_parameters one run 10
}

# bats test_tags=slow
@test "a cable that is cut: mpirun itself ends the job where it is told to look after its connections" {
    # shellcheck disable=SC2016
    OMPI_MCA_oob_tcp_keepalive_time=2 OMPI_MCA_oob_tcp_keepalive_intvl=1 OMPI_MCA_oob_tcp_keepalive_probes=3 on_two '
        "${mpirun[@]}" "${@:2}" > out 2> err & job=$!
        eventually 60 steps_taken run 2
        ip link set v2 down
        wait $job && exit 1
        true' "${train[@]}" --run "$TMP/run" "${slowly[@]}" --patience 200 "$TMP/shards"
    grep -q 'lost communication with a remote daemon' err
    grep -q 'on node 10.9.0.2' err
    eventually 60 no left
}
