#!/usr/bin/env bats
# vlrm train under mpirun: each rank its own pipe, one training; what is refused; ranks that are killed or asked to end.

setup() {
    load ../programs/common
    command -v mpirun > /dev/null || skip "no mpirun here (openmpi-bin)"
    ORACLE=$ROOT/tests/golden/oracle/tiny
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    train=("$ROOT/bin/vlrm" train --model "$ORACLE/blip2" --itm "$ORACLE/itm" --learning-rate 1e-2 --warmup-steps 0 --max-new-tokens 8 --batch 11 --block 2)
}

# ranks N RUN OPTION...: N ranks train on the shards.
ranks() {
    mpirun --oversubscribe -n "$1" "${train[@]}" --run "$TMP/$2" "${@:3}" "$TMP/shards"
}

shards() {
    "$ROOT/bin/vlrm" corpus --out "$TMP/shards" --shards 2 --jobs 1 "$ORACLE/f64/images"
}

# same_parameters A B STEP
same_parameters() {
    local set
    for set in policy value; do cmp "$1/state/step-$(printf %06d "$3")/$set.safetensors" "$2/state/step-$(printf %06d "$3")/$set.safetensors"; done
    cmp "$1/consumed" "$2/consumed"
}

@test "the same shards on two and three ranks and on one without a launcher: the same parameters, whoever captions what" {
    shards
    "${train[@]}" --run "$TMP/one" "$TMP/shards" > /dev/null
    for n in 2 3; do
        ranks $n "by$n" > "$TMP/out"
        cmp "$TMP/out" "$TMP/by$n/metrics.jsonl" # one rank prints
        jq -se "map([.captions, .ranks.size]) == [[11, $n], [11, $n], [8, $n]]" "$TMP/by$n/metrics.jsonl"
        same_parameters "$TMP/one" "$TMP/by$n" 3
    done
    # Each rank has captioned its own part, and its logs say so.
    grep -q -- "'--deal=0/3'" "$TMP/by3/logs/rollout.log"
    grep -q -- "'--deal=2/3'" "$TMP/by3/ranks/2/logs/rollout.log"
    # Done: nothing to do, on any number.
    ranks 2 by3 > "$TMP/again"
    [ ! -s "$TMP/again" ]
}

# lines FILE: its records, each a line of JSON, without the header.
records() {
    vlrm-cat --bin=base64 "$1" | jq -c 'select(.id)'
}

# bats test_tags=slow
@test "Phi and --standardise batch are of the whole batch on any number of ranks: VLRM-RS comes to the same parameters, and --record has what was used" {
    shards
    local options=(--clip "$ORACLE/clip" --no-ref --num-return 2 --batch 12) standardise
    for standardise in none batch group; do
        "${train[@]}" "${options[@]}" --standardise $standardise --run "$TMP/one" --record "$TMP/one.vlrm" "$TMP/shards" > /dev/null
        for n in 2 4; do
            ranks $n "by$n" "${options[@]}" --standardise $standardise --record "$TMP/by$n.vlrm" > "$TMP/out"
            same_parameters "$TMP/one" "$TMP/by$n" 5
            diff <(jq -c '[.step, .phi, .sim, .reward, .captions, .parts]' "$TMP/one/metrics.jsonl") <(jq -c '[.step, .phi, .sim, .reward, .captions, .parts]' "$TMP/by$n/metrics.jsonl")
            diff <(records "$TMP/one.vlrm") <(records "$TMP/by$n.vlrm")
            rm -r "$TMP/by$n"
        done
        rm -r "$TMP/one"
    done
    records "$TMP/one.vlrm" | jq -se 'length == 60 and all(.reward.parts.phi != null and (.reward | has("deferred") | not))'
    vlrm-explain --model "$ORACLE/blip2" "$TMP/by4.vlrm" > "$TMP/explained"
    cmp "$TMP/explained" <(vlrm-explain --model "$ORACLE/blip2" "$TMP/one.vlrm")
}

# bats test_tags=slow
@test "what is about to learn together is said first; policies of other ranks may lie on their machines' own disks" {
    shards
    "${train[@]}" --run "$TMP/one" "$TMP/shards" > /dev/null
    ranks 3 three --scratch "$TMP/scratch" 2> "$TMP/err" > /dev/null
    same_parameters "$TMP/one" "$TMP/three" 3
    [ "$(readlink "$TMP/scratch/2/policy/latest")" = step-000003 ]
    [ -e "$TMP/three/ranks/2/train.json" ] && [ ! -e "$TMP/three/ranks/2/policy" ]
    grep -qx 'vlrm train: 3 ranks on 1 host, 3 or 4 captions each, blocks of 2, integer sums' "$TMP/err"
    ranks 2 wide --block 11 --max-steps 5 2> "$TMP/err" > /dev/null
    grep -qx 'vlrm train: there are fewer blocks than ranks: of 2 only 1 learn, unless --block is 5' "$TMP/err"
    grep -qx 'vlrm train: the shards end after step 3, expected --max-steps 5: they are read once' "$TMP/err"
    exits 2 mpirun --oversubscribe -n 2 "${train[@]}" --run "$TMP/none" --block 0 "$TMP/shards"
    says 'several ranks have no --batch (the input says it) and no --block 0'
    no grep -q 'division by 0' <<< "$output"
}

@test "of several ranks each takes a GPU of its node; where there is none it is said, and no processor takes its place" {
    shards
    for r in 0:0 1:1 2:0; do # of three ranks on a node with two
        exits 2 env OMPI_COMM_WORLD_RANK=${r%:*} OMPI_COMM_WORLD_LOCAL_RANK=${r%:*} OMPI_COMM_WORLD_SIZE=3 CUDA_VISIBLE_DEVICES=4,7 \
            "${train[@]}" --run "$TMP/run" --device cuda "$TMP/shards"
        says "vlrm train, rank ${r%:*} on $(uname -n): --device=cuda:${r#*:}"
        says "device cuda:${r#*:}: this build has no CUDA"
    done
}

@test "pictures cut into tiles: two ranks come to the parameters of one" {
    shards
    train+=(--model "$ROOT/tests/golden/models/captioner/smolvlm/model" --tiles 3)
    "${train[@]}" --run "$TMP/one" "$TMP/shards" > /dev/null
    ranks 2 two > /dev/null
    same_parameters "$TMP/one" "$TMP/two" 3
    grep -q -- "--tiles 3 makes 96" "$TMP/two/ranks/1/logs/rollout.log"
}

@test "a reward of one's own is added by every rank to its part" {
    shards
    echo 'def reward(record): return len(record["caption"]["text"]) / 10' > "$TMP/length.py"
    "${train[@]}" --run "$TMP/one" --score "$TMP/length.py" "$TMP/shards" > /dev/null
    ranks 2 two --score "$TMP/length.py" > /dev/null
    same_parameters "$TMP/one" "$TMP/two" 3
    jq -se 'all(.parts.length.std > 0)' "$TMP/two/metrics.jsonl"
}

@test "videos are refused" {
    mkdir "$TMP/mixed"
    cp "$ORACLE/f64/images/0000.png" "$TMP/mixed"
    : > "$TMP/mixed/clip.mp4"
    exits 2 mpirun --oversubscribe -n 2 "${train[@]}" --run "$TMP/run" "$TMP/mixed"
    says "$TMP/mixed/clip.mp4 is neither"
    says "vlrm corpus --out shards $TMP/mixed"
    [ ! -e "$TMP/run" ]
}

# Whether so many steps have been taken.
steps_taken() {
    [ "$(cat "$TMP/run/metrics.jsonl" 2> /dev/null | wc -l)" -ge "$1" ]
}

# processes_of RUN: every process that names it.
processes_of() {
    pgrep -f -- "$TMP/$1"
}

# So slow that somebody can meddle: ten steps.
slowly=(--batch 3 --value-updates 50)

# meddled RANKS SIGNAL: a run of so many ranks whose rank 1 gets the signal in its update, after the first step; its status in $status.
meddled() {
    ranks "$1" run "${slowly[@]}" > "$TMP/out" 2> "$TMP/err" &
    job=$!
    eventually 60 steps_taken 1
    kill "$2" "$(pgrep -f -- "vlrm-update .*--config=$TMP/run/ranks/1/train.json" | head -1)"
    status=0
    wait $job || status=$?
}

# bats test_tags=slow
@test "a rank killed by kill -9 ends the job and leaves nothing; the same command on another number of ranks goes on to the same bits" {
    shards
    ranks 2 whole "${slowly[@]}" > /dev/null
    meddled 3 -9
    [ "$status" != 0 ]
    grep -q "^vlrm train, rank 1 on $(uname -n): update ended with status 137 (killed by SIGKILL)" "$TMP/err" || { cat "$TMP/err"; false; }
    eventually 60 no processes_of run > /dev/null
    no steps_taken 10
    ranks 2 run "${slowly[@]}" > /dev/null
    same_parameters "$TMP/whole" "$TMP/run" 10
}

# victim STAGE: its process in rank 1's pipe; train: the script that started them all.
victim() {
    if [ "$1" = train ]; then
        ps -o ppid= -p "$(victim update)" | tr -d ' '
    else
        pgrep -o -f -- "^[^ ]*vlrm-[a-z]* --status-file=$TMP/run/ranks/1/status/$1.json"
    fi
}

# asked_to_end PROCESS: a stopped one, which has not taken the signal yet.
asked_to_end() {
    (($(sed -n 's/^ShdPnd:\s*/0x/p' "/proc/$1/status") >> 14 & 1))
}

# bereaved STAGE RANKS: the run goes on with so many ranks, a step later rank 1 loses that process, and the job ends; status in $status.
# Its update stands still from that step until it is asked to end, so that on no machine the other steps go by.
bereaved() {
    local steps update
    steps=$(cat "$TMP/run/metrics.jsonl" 2> /dev/null | wc -l)
    ranks "$2" run "${slowly[@]}" > "$TMP/out" 2> "$TMP/err" &
    job=$!
    eventually 60 steps_taken $((steps + 1))
    update=$(victim update)
    kill -STOP "$update"
    kill -9 "$(victim "$1")"
    eventually 60 asked_to_end "$update"
    kill -CONT "$update"
    eventually 60 no kill -0 $job 2> /dev/null > /dev/null
    status=0
    wait $job || status=$?
    [ "$status" != 0 ]
    eventually 60 no processes_of run > /dev/null
    no steps_taken 10
}

# bats test_tags=slow
@test "kill -9 of any process of a rank ends the job, named, and leaves nothing; any number of ranks goes on to the same bits" {
    shards
    # So large that vlrm-cat is still at it.
    for shard in "$TMP"/shards/*.vlrm; do
        vlrm-cat --bin=base64 "$shard" | jq -c 'if .id then .padding = {zeros: ("0" * 100000)} else . end' | vlrm-cat --from=json > "$TMP/wide" && mv "$TMP/wide" "$shard"
    done
    ranks 2 whole "${slowly[@]}" > /dev/null
    for case in extract:3 rollout:2 reward:3 train:2; do
        bereaved "${case%:*}" "${case#*:}"
        case $case in
            train:*) tr '\n' ' ' < "$TMP/err" | grep -q "process rank 1 with PID [0-9]* on node $(uname -n) exited on signal 9 (Killed)" ;;
            *) grep -q "^vlrm train, rank 1 on $(uname -n): ${case%:*} ended with status 137 (killed by SIGKILL)" "$TMP/err" ;;
        esac || { cat "$TMP/err"; false; }
    done
    ranks 3 run "${slowly[@]}" > /dev/null
    same_parameters "$TMP/whole" "$TMP/run" 10
}

# bats test_tags=slow
@test "a rank that is asked to end ends all after the same step, as interrupted" {
    shards
    ranks 2 whole "${slowly[@]}" > /dev/null
    meddled 2 -TERM
    [ "$status" = 75 ] || { cat "$TMP/err"; false; }
    no steps_taken 10
    ranks 2 run "${slowly[@]}" > /dev/null
    same_parameters "$TMP/whole" "$TMP/run" 10
}

# bats test_tags=slow
@test "mpirun that is asked to end, and has the time: every rank ends after the same step, and the same command goes on" {
    shards
    train+=(--collapse-length 50) # which no caption has: each step's batch is kept
    "${train[@]}" --run "$TMP/whole" --batch 6 "$TMP/shards" > /dev/null
    # A user's program that lets two batches pass, and the others once there is a file.
    local gate="vlrm-cat --bin=base64 | while IFS= read -r line; do case \$line in *'\"batch\": {\"index\": 2,'*) until [ -e $TMP/go ]; do sleep 0.1; done ;; esac; printf '%s\n' \"\$line\"; done | vlrm-cat --from=json"
    OMPI_MCA_odls_base_sigkill_timeout=15 ranks 2 run --batch 6 --filter "$gate" > "$TMP/out" 2> "$TMP/err" &
    job=$!
    eventually 60 steps_taken 2
    # mpirun passes SIGTERM on after that time, and kills after twice that time.
    kill -TERM "$(pgrep -P $job mpirun || pgrep -fx "mpirun .*--run $TMP/run .*")"
    wait $job && false
    grep -q "^vlrm train, rank 0 on $(uname -n): interrupted" "$TMP/err"
    grep -q "^vlrm train, rank 1 on $(uname -n): interrupted" "$TMP/err"
    no steps_taken 3
    eventually 60 no processes_of run > /dev/null
    touch "$TMP/go"
    ranks 2 run --batch 6 --filter "$gate" > /dev/null
    same_parameters "$TMP/whole" "$TMP/run" 5
    # What is kept of a collapse is the whole batch, whoever has read it, and the state that it met.
    [ -n "$(ls "$TMP/whole/collapse")" ]
    diff <(ls "$TMP/whole/collapse") <(ls "$TMP/run/collapse")
    for step in "$TMP"/whole/collapse/*; do
        cmp "$step/policy.safetensors" "$TMP/run/collapse/${step##*/}/policy.safetensors"
        diff <(vlrm-cat --fields id,caption,reward,frame.image "$step/batch.vlrm" | jq -c 'select(.id)') \
            <(vlrm-cat --fields id,caption,reward,frame.image "$TMP/run/collapse/${step##*/}/batch.vlrm" | jq -c 'select(.id)')
    done
}

# bats test_tags=slow
@test "one training on several ranks: the commands of the README" {
    cp -R "$ORACLE/f64/images" "$TMP/videos"
    ln -s "$ORACLE/blip2" "$ORACLE/itm" "$TMP"
    for page in README.md doc/scale.md; do
        awk 'index($0, "train.bats: one training on several ranks") {found = 1; next} found && /^```/ {if (inside) exit; inside = 1; next} inside' "$ROOT/$page" > "$TMP/commands"
        grep -q mpirun "$TMP/commands"
        (cd "$TMP" && PATH=$ROOT/bin:$PATH OMPI_MCA_rmaps_base_oversubscribe=1 VLRM_MAX_NEW_TOKENS=8 bash -e commands)
        jq -se 'map(.ranks.size) == [2]' "$TMP/wide/metrics.jsonl"
        rm -r "$TMP/wide" "$TMP/frames"
    done
}
