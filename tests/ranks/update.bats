#!/usr/bin/env bats
# One learner of several vlrm-updates under mpirun: the same parameters, bit for bit, on any number of ranks; and what is refused.

setup() {
    load ../programs/oracle
    command -v mpirun > /dev/null || skip "no mpirun here (openmpi-bin)"
    oracle_setup
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    update=(vlrm-update --model "$ORACLE/blip2" --value-head linear --off-policy --learning-rate 1e-2 --warmup-steps 0 --block 2)
    jq -c -n --slurpfile r rewards.jsonl '($r | map({(.id): .reward}) | add) as $by | inputs | .reward = ($by[.id] | {returns})' captions.jsonl |
        head -21 > "$TMP/lines"
}

# deal RANKS: the input in batches of seven, of which each rank has a contiguous part, in $TMP/part.R.
deal() {
    local r
    for ((r = 0; r < $1; r++)); do
        jq -c -n --argjson r "$r" --argjson n "$1" '
            [inputs] | range(0; length; 7) as $at | .[$at:$at + 7]
            | .[(7 * $r / $n | floor):(7 * ($r + 1) / $n | floor)] as $mine
            | $mine[], {batch: {index: ($at / 7), records: ($mine | length)}}' "$TMP/lines" | vlrm-cat --from=json > "$TMP/part.$r"
    done
}

# ranks N RUN OPTION...: N ranks take steps on their parts. What they say is in $TMP/said.
ranks() {
    deal "$1"
    # shellcheck disable=SC2016 # the rank expands it
    mpirun --oversubscribe -n "$1" bash -c '"${@:2}" "$1.$OMPI_COMM_WORLD_RANK"' _ "$TMP/part" "${update[@]}" --run "$TMP/$2" "${@:3}" 2> "$TMP/said"
}

# same RUN RUN: their parameters after every step, as metrics have them, and their last states.
same() {
    diff <(jq -c '[.step, .ranks.parameters, .captions, .value_loss, .policy_loss, .reward, .advantage_std, .grad_norm]' "$TMP/$1/metrics.jsonl") \
        <(jq -c '[.step, .ranks.parameters, .captions, .value_loss, .policy_loss, .reward, .advantage_std, .grad_norm]' "$TMP/$2/metrics.jsonl")
    cmp "$TMP/$1/state/step-000003/policy.safetensors" "$TMP/$2/state/step-000003/policy.safetensors"
    cmp "$TMP/$1/state/step-000003/value.safetensors" "$TMP/$2/state/step-000003/value.safetensors"
    cmp "$TMP/$1/consumed" "$TMP/$2/consumed"
}

@test "two, three and four ranks come to the same bits, step for step, and one without a launcher to the same state" {
    deal 1
    "${update[@]}" --run "$TMP/one" "$TMP/part.0" > /dev/null
    for n in 2 3 4; do
        ranks $n "by$n" > "$TMP/out"
        [ "$(wc -l < "$TMP/out")" = 3 ] # one rank prints
        grep -q "^vlrm-update: $n ranks on 1 host, blocks of 2 captions, integer sums" "$TMP/said"
        jq -se "length == 3 and all(.captions == 7 and .ranks.size == $n and (.ranks.wait | length) == $n)" "$TMP/by$n/metrics.jsonl"
    done
    same by2 by3
    same by2 by4
    for set in policy value; do cmp "$TMP/one/state/step-000003/$set.safetensors" "$TMP/by4/state/step-000003/$set.safetensors"; done
    cmp "$TMP/one/consumed" "$TMP/by4/consumed"
}

# bats test_tags=slow
@test "what is recorded and kept of a batch is all of it, whoever has read it, and is taken again by one process" {
    deal 1
    "${update[@]}" --run "$TMP/one" --record "$TMP/one.vlrm" --keep-batches 2 "$TMP/part.0" > /dev/null
    ranks 3 three --record "$TMP/three.vlrm" --keep-batches 2 --dump "$TMP/dump" > /dev/null
    for file in {one,three}.vlrm {one,three}/batches/step-00000{2,3}/batch.vlrm; do
        vlrm-cat --bin=base64 "$TMP/$file" | jq -c 'select(.id, .batch)' > "$TMP/$file.lines"
    done
    [ "$(wc -l < "$TMP/three.vlrm.lines")" = 24 ]
    for file in .vlrm /batches/step-00000{2,3}/batch.vlrm; do cmp "$TMP/one$file.lines" "$TMP/three$file.lines"; done
    [ ! -e "$TMP/three/batches/step-000001" ]
    vlrm-update --config "$TMP/three/batches/step-000003/config.json" --replay "$TMP/three/batches/step-000003" --dump "$TMP/again" > /dev/null
    cmp "$TMP/dump/step-3.safetensors" "$TMP/again/step-3.safetensors"
}

@test "a run goes on with another number of ranks, one among them, to the same bits" {
    ranks 2 whole > /dev/null
    ranks 3 parts --max-steps 1 > /dev/null
    ranks 2 parts --max-steps 2 > /dev/null
    deal 1
    "${update[@]}" --run "$TMP/parts" "$TMP/part.0" > /dev/null
    for set in policy value; do cmp "$TMP/whole/state/step-000003/$set.safetensors" "$TMP/parts/state/step-000003/$set.safetensors"; done
    cmp "$TMP/whole/consumed" "$TMP/parts/consumed"
    # Without the blocks it is another sum.
    exits 6 vlrm-update --model "$ORACLE/blip2" --value-head linear --off-policy --learning-rate 1e-2 --warmup-steps 0 --run "$TMP/parts" "$TMP/part.0"
    says "--block is 0, expected 2"
}

# bats test_tags=slow
@test "all that a loss may have, groups and their greedy captions are the same on three ranks and on one" {
    # Ten images, three captions each, the last of them the greedy one.
    jq -c -n '[inputs] | to_entries[] | .value.caption += {group: "g\(.key / 3 | floor)", group_size: 3} | if .key % 3 == 2 then .value.caption.baseline = true else . end
        | .value.reward.parts = ({mine: (.key * 0.3)} + if .key % 4 == 0 then {rare: (.key / 7)} else {} end) | .value' \
        "$TMP/lines" > "$TMP/grouped"
    mv "$TMP/grouped" "$TMP/lines"
    for losses in "--baseline greedy --group-scale both --entropy-weight 0.1" "--baseline rloo --kl-weight 0.1 --policy-loss logp" \
        "--value-updates 2 --value-normalise --critic-warmup 1 --report-kl" "--gradient-parts 3"; do
        # shellcheck disable=SC2086 # several options
        ranks 3 three $losses > /dev/null
        deal 1
        # shellcheck disable=SC2086
        "${update[@]}" --run "$TMP/one" $losses "$TMP/part.0" > /dev/null
        for set in policy value; do cmp "$TMP/one/state/step-000003/$set.safetensors" "$TMP/three/state/step-000003/$set.safetensors"; done
        diff <(jq -c 'del(.seconds, .ranks, .images_per_second, .peak_memory_mib, .activations_mib)' "$TMP/one/metrics.jsonl") \
            <(jq -c 'del(.seconds, .ranks, .images_per_second, .peak_memory_mib, .activations_mib)' "$TMP/three/metrics.jsonl")
        jq -es 'all(.parts | keys == ["mine", "rare"])' "$TMP/one/metrics.jsonl"
        [[ $losses != *parts* ]] || jq -es 'all(.grad_agreement > 0.2 and .grad_agreement < 1)' "$TMP/one/metrics.jsonl"
        rm -r "$TMP/one" "$TMP/three"
    done
}

# bats test_tags=slow
@test "metrics that nobody reads any more end all ranks after the step, with status 141" {
    deal 2
    mkfifo "$TMP/gone"
    # shellcheck disable=SC2016 # the rank expands it
    exits 141 mpirun --oversubscribe -n 2 bash -o pipefail -c '
        if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then exec "${@:3}" "$1.1"; fi
        { read -r < "$2"; "${@:3}" "$1.0"; } | { exec 0<&-; echo closed > "$2"; }' _ "$TMP/part" "$TMP/gone" "${update[@]}" --run "$TMP/run"
    [ "$(wc -l < "$TMP/run/metrics.jsonl")" = 1 ]
    no says "write <stdout>"
}

# apart STATUS SCRIPT: two ranks, of which the second runs it, with its input as $2.1 and the command behind that; they end with STATUS.
apart() {
    deal 2
    # shellcheck disable=SC2016
    exits "$1" mpirun --oversubscribe -n 2 bash -c 'if [ $OMPI_COMM_WORLD_RANK = 1 ]; then eval "$1"; else "${@:3}" "$2.0"; fi' _ \
        "$2" "$TMP/part" "${update[@]}" --run "$TMP/run"
}

@test "a rank that is at work on something else is named, and what differs, before any step" {
    # shellcheck disable=SC2016 # the rank expands it
    apart 6 '"${@:3}" --max-steps 2 "$2.1"'
    says "rank 1 ("
    says "--max-steps is 2, expected 0 as at rank 0"
    # shellcheck disable=SC2016
    apart 6 'vlrm-cat "$2.1" | jq -c "if .batch then .batch.index += 1 else . end" | vlrm-cat --from=json | "${@:3}" --learning-rate 1e-3'
    says "--learning-rate is 0.001, expected 0.01 as at rank 0"
    # shellcheck disable=SC2016
    apart 6 'vlrm-cat "$2.1" | jq -c "if .reward then .reward.parts = {phi: 1} else . end" | vlrm-cat --from=json | "${@:3}"'
    says "reward.parts.phi is of one rank's part of the batch"
    [ ! -s "$TMP/run/metrics.jsonl" ]
}

# bats test_tags=slow
@test "another build of the same version is said at the start, and the run goes on" {
    deal 2
    cp -L "$BIN/vlrm-update" "$TMP/other"
    echo >> "$TMP/other" # behind what the loader reads
    # shellcheck disable=SC2016
    apart 0 '"$(dirname "$2")/other" "${@:4}" "$2.1"' 2> /dev/null
    says "digest of vlrm-update is "
    says "as at rank 0: the run is whole, but its bits depend on which rank has which records"
}

@test "a rank whose parameters are others is named before any step" {
    deal 1
    "${update[@]}" --run "$TMP/other" --dump "$TMP/dump" --max-steps 1 "$TMP/part.0" > /dev/null
    cd "$TMP/dump"
    # shellcheck disable=SC2016
    apart 6 '"${@:3}" --init step-1.safetensors "$2.1"'
    says "rank 1 ("
    says "digest of the parameters after step 0 is "
    [ ! -s "$TMP/run/metrics.jsonl" ]
}

@test "a bit that flips in one rank's parameters is found after the next step, and the rank named" {
    # The second rank gets its part of the second batch when its memory is spoilt.
    # shellcheck disable=SC2016
    { apart 6 'vlrm-cat --bin=base64 "$2.1" | while IFS= read -r line; do
            printf "%s\n" "$line"
            case $line in *"\"batch\": {\"index\": 0,"*) until [ -e "$(dirname "$2")/go" ]; do sleep 0.05; done ;; esac
        done | vlrm-cat --from=json | "${@:3}" &
        echo $! > "$(dirname "$2")/pid"
        wait $!' && says "digest of the parameters after step 2 is " && says "rank 1 ("; } &
    job=$!
    eventually 60 test -s "$TMP/run/metrics.jsonl"
    python3 "$ROOT/tests/ranks/flip.py" "$(< "$TMP/pid")" "$TMP/run/state/step-000001/policy.safetensors"
    touch "$TMP/go"
    wait $job
    [ "$(wc -l < "$TMP/run/metrics.jsonl")" = 1 ]
    [ "$(readlink "$TMP/run/policy/latest")" = step-000001 ]
}

@test "without a launcher nothing of MPI is called: no socket, none of its files" {
    deal 1
    strace -f -o "$TMP/calls" -e trace=openat,open,socket,connect "${update[@]}" --run "$TMP/run" --max-steps 1 "$TMP/part.0" > /dev/null
    grep -q libmpi "$TMP/calls" # the loader's
    no grep -E 'socket\(|mca|openmpi.*conf|pmix' "$TMP/calls"
}

@test "an input that is cut ends all ranks after the same step, with its status" {
    # shellcheck disable=SC2016
    apart 5 'head -c $(($(stat -c %s "$2.1") / 2)) "$2.1" | "${@:3}"'
    [ "$(readlink "$TMP/run/policy/latest")" = "$(readlink "$TMP/run/ranks/1/policy/latest")" ]
    ranks 2 run > /dev/null
    ranks 2 whole > /dev/null
    same whole run
}

@test "an id that two ranks have is learned from once" {
    jq -c 'if .id == "0006" then .id = "0001" else . end' "$TMP/lines" > "$TMP/twice"
    mv "$TMP/twice" "$TMP/lines"
    exits 3 ranks 2 run
    jq -se '.[0].captions == 6 and .[0].repeated == 1 and .[1].captions == 7' "$TMP/run/metrics.jsonl"
}

# bats test_tags=slow
@test "a full disk at rank 0 ends all; when there is room, all go on to the same bits" {
    [ "$(id -u)" = 0 ] || skip "needs root to mount a small file system"
    mkdir "$TMP/small"
    mount -t tmpfs -o size=1m none "$TMP/small" 2> /dev/null || skip "cannot mount a tmpfs here"
    exits 1 ranks 2 small/run --keep 9
    grep -q 'No space left on device' "$TMP/said"
    eventually 60 no pgrep -f -- "--run $TMP/small/run" > /dev/null
    mount -o remount,size=16m "$TMP/small"
    ranks 2 small/run --keep 9 > /dev/null
    ranks 3 whole > /dev/null
    same small/run whole
}

teardown() {
    ! mountpoint -q "$TMP/small" || umount "$TMP/small"
}

# bats test_tags=slow
@test "a rank that hangs is named, and all end" {
    deal 2
    # shellcheck disable=SC2016
    exits 1 timeout 60 mpirun --oversubscribe -n 2 bash -c 'if [ $OMPI_COMM_WORLD_RANK = 1 ]; then "${@:2}" < <(exec tail -f "$1.1"); else "${@:2}" "$1.0"; fi' _ \
        "$TMP/part" "${update[@]}" --run "$TMP/run" --patience 8
    says "for the next batch: no word from rank 1 ("
}

# bats test_tags=slow
@test "a rank that never comes ends the others' wait: after the patience, or five seconds after a signal" {
    deal 2
    alone() { # shellcheck disable=SC2016
        exits "$1" timeout 60 mpirun --oversubscribe -n 2 bash -c 'if [ $OMPI_COMM_WORLD_RANK = 1 ]; then exec sleep 1000; fi; '"$2"'"${@:2}" "$1.0"' _ \
            "$TMP/part" "${update[@]}" --run "$TMP/run" --patience "$3"
    }
    alone 1 '' 3
    says 'vlrm-update: waited 3 s for the other ranks: not all have come (--patience)'
    alone 75 '(sleep 3; kill -TERM $$) & exec ' 0
    says 'vlrm-update: interrupted before all ranks had come'
}

@test "several ranks have no options that look at whole batches in one place" {
    for option in --block=0 --batch=7; do
        exits 2 mpirun --oversubscribe -n 2 "${update[@]}" --run "$TMP/run" "$option"
        says "several ranks have no --batch"
    done
}
