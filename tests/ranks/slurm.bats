#!/usr/bin/env bats
# Jobs of a real Slurm, of two nodes on loopback: a training that is queued again at its time limit, arrays, scancel, a rank that dies.

setup() {
    load ../programs/common
    load slurm
    ORACLE=$ROOT/tests/golden/oracle/tiny
    TMP=$BATS_TEST_TMPDIR
    slurm_start "$TMP/slurm"
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1 VLRM=$ROOT/bin/vlrm
    jobs=$ROOT/pipelines/slurm
    options=(--model "$ORACLE/blip2" --itm "$ORACLE/itm" --learning-rate 1e-2 --warmup-steps 0 --max-new-tokens 8 --batch 6 --block 2)
}

teardown() {
    slurm_stop
}

# A user's program between reward and update that lets batches pass up to number $1, and the others once there is a file $TMP/go.
gate() {
    # shellcheck disable=SC2016 # the recipe's shell expands it
    printf '%s' "vlrm-cat --bin=base64 | while IFS= read -r line; do case \$line in *'\"batch\": {\"index\": $1,'*) until [ -e $TMP/go ]; do sleep 0.1; done ;; esac; printf '%s\n' \"\$line\"; done | vlrm-cat --from=json"
}

# train OPTION...: queues a training of two nodes; its number in `job`.
train() {
    job=$(sbatch --parsable --nodes=2 --ntasks=2 --output="$TMP/log" "$@")
}

steps_taken() {
    [ "$(cat "$TMP/run/metrics.jsonl" 2> /dev/null | wc -l)" -ge "$1" ]
}

# comes_to SECONDS STATE...: the job does; else what it and Slurm have said.
comes_to() {
    eventually "$1" slurm_is "$job" "${@:2}" || { scontrol show job "$job"; cat "$TMP/log"; tail -n 20 "$TMP"/slurm/log/*; return 1; }
}

# said_twice TEXT LOG: by two jobs with one log.
said_twice() {
    [ "$(grep -c -- "$1" "$2")" = 2 ]
}

processes_of() {
    pgrep -f -- "$TMP/$1"
}

same_parameters() {
    local set
    for set in policy value; do cmp "$1/state/step-000005/$set.safetensors" "$2/state/step-000005/$set.safetensors"; done
    cmp "$1/consumed" "$2/consumed"
}

shards() {
    "$VLRM" corpus --out "$TMP/shards" --shards 2 --jobs 1 "$ORACLE/f64/images"
    "$VLRM" train "${options[@]}" --run "$TMP/one" "$TMP/shards" > /dev/null
}

# bats test_tags=slow
@test "a training whose time is up is queued again, and goes on to the same bits" {
    shards
    # The signal comes up to a minute before its time (sbatch(1)), and a job that has taken no step by then is not queued again.
    train --time=2 --signal=TERM@60 "$jobs/train.sbatch" "$TMP/run" "${options[@]}" --filter "$(gate 2)" "$TMP/shards"
    eventually 60 steps_taken 2
    comes_to 180 PENDING
    grep -q "job $job is queued again" "$TMP/log"
    eventually 60 no processes_of run > /dev/null
    no steps_taken 3
    touch "$TMP/go"
    scontrol update JobId="$job" StartTime=now+5 # a credential that was just revoked is of no use
    comes_to 180 COMPLETED FAILED
    comes_to 0 COMPLETED
    scontrol show job "$job" | grep -q 'Restarts=1'
    same_parameters "$TMP/one" "$TMP/run"
    jq -se 'map(.ranks.size) == [2, 2, 2, 2, 2]' "$TMP/run/metrics.jsonl"
    [ -z "$(find "$TMP/run" -name '.statuses*')" ]
}

# bats test_tags=slow
@test "scancel ends a training, which is not queued again; one that cannot take a step neither; the same command goes on" {
    shards
    train "$jobs/train.sbatch" "$TMP/run" "${options[@]}" --filter "$(gate 1)" "$TMP/shards"
    eventually 60 steps_taken 1
    scancel "$job"
    comes_to 60 CANCELLED
    eventually 60 no processes_of run > /dev/null
    no grep 'queued again and' "$TMP/log"
    # No batch passes: the signal that Slurm sends before the limit, sent by hand.
    train "$jobs/train.sbatch" "$TMP/run" "${options[@]}" --filter "$(gate 1)" "$TMP/shards"
    eventually 60 said_twice 'vlrm-update: 2 ranks' "$TMP/run/logs/update.log" # from then on both take it
    scancel --signal=TERM "$job"
    comes_to 60 FAILED
    scontrol show job "$job" | grep -q 'ExitCode=75:0'
    grep -q 'no step was taken since this job began' "$TMP/log"
    touch "$TMP/go"
    train --wait "$jobs/train.sbatch" "$TMP/run" "${options[@]}" --filter "$(gate 1)" "$TMP/shards"
    same_parameters "$TMP/one" "$TMP/run"
}

# bats test_tags=slow
@test "a rank that is killed by kill -9 ends the job, whose log names it" {
    shards
    train "$jobs/train.sbatch" "$TMP/run" "${options[@]}" --batch 3 --value-updates 100 "$TMP/shards"
    eventually 60 steps_taken 1
    kill -9 "$(pgrep -f -- "vlrm-update .*--config=$TMP/run/ranks/1/train.json" | head -1)"
    comes_to 60 FAILED
    # Rank 1, which was killed, or rank 0, which had a connection to it.
    grep -qE "^vlrm slurm: rank (1 on n2|0 on n1): update was killed first; what it said is in $TMP/run/(ranks/1/)?logs/update.log$" "$TMP/log" || { cat "$TMP/log"; false; }
    eventually 60 no processes_of run > /dev/null
    no grep 'queued again' "$TMP/log"
}

# bats test_tags=slow
@test "arrays: a corpus, captions and evaluations, each task its share; together what one process does" {
    sbatch --wait --array=0-2 --output="$TMP/log.%a" "$jobs/corpus.sbatch" "$TMP/frames" "$ORACLE/f64/images" > /dev/null
    cmp <(vlrm-cat "$TMP"/frames/*.vlrm | jq -r '.id // empty' | sort) <(vlrm-extract "$ORACLE/f64/images" | vlrm-cat | jq -r '.id // empty' | sort)
    [ "$(find "$TMP/frames" -name '*.vlrm' | wc -l)" = 3 ]
    sbatch --wait --array=4-5 --output="$TMP/log.%a" "$jobs/caption.sbatch" "$TMP/captions" --model "$ORACLE/blip2" --max-new-tokens 6 "$ORACLE/f64/images" > /dev/null
    "$VLRM" caption --model "$ORACLE/blip2" --max-new-tokens 6 "$ORACLE/f64/images" > "$TMP/all"
    [ "$(find "$TMP/captions" -name 'part-0000?-of-00002.jsonl' | wc -l)" = 2 ]
    shards
    sbatch --wait --array=0-1 --output="$TMP/log.%a" "$jobs/evaluate.sbatch" "$TMP/one" --model "$ORACLE/blip2" --clip "$ORACLE/clip" --greedy "$ORACLE/f64/images" > /dev/null
    [ "$(ls "$TMP/one/evaluate")" = $'step-000003.json\nstep-000004.json' ]
    jq -e '.stage == "eval" and .runs[0].captions == 30' "$TMP"/one/evaluate/*.json
    # Beyond what there is.
    exits 2 sbatch --wait --array=0-3 --output="$TMP/log.%a" "$jobs/evaluate.sbatch" "$TMP/one" --model "$ORACLE/blip2" --clip "$ORACLE/clip" --greedy "$ORACLE/f64/images"
    grep -q 'has no policy number 3: it has kept 3' "$TMP/log.3"
}

# bats test_tags=slow
@test "the commands of doc/scale.md" {
    awk 'index($0, "slurm.bats: the commands of doc/scale.md") {found = 1; next} found && /^```/ {if (inside) exit; inside = 1; next} inside' "$ROOT/doc/scale.md" > "$TMP/commands"
    [ "$(grep -c ^sbatch "$TMP/commands")" = 3 ]
    cp -R "$ORACLE/f64/images" "$TMP/videos"
    cp -R "$ORACLE/f64/images" "$TMP/photos"
    ln -s "$ORACLE"/{blip2,itm,clip} "$TMP"
    cd "$TMP"
    export jobs
    VLRM_MAX_NEW_TOKENS=8 bash -e commands || { cat slurm-*.out; false; }
    jq -se 'map(.ranks.size) == [2, 2, 2, 2]' wide/metrics.jsonl
    [ "$(find wide/evaluate -name 'step-*.json' | wc -l)" = 2 ]
}

# bats test_tags=slow
@test "a step has the processors of its task" {
    mkdir "$TMP/programs"
    printf '#!/bin/bash\n{ echo "$1"; scontrol show step "$SLURM_JOB_ID.$SLURM_STEP_ID" | grep -o "CPUs=[0-9]*"; } > %q\n' "$TMP/cpus" > "$TMP/programs/vlrm"
    chmod +x "$TMP/programs/vlrm"
    VLRM_PROGRAMS=$TMP/programs sbatch --wait --cpus-per-task=3 --output="$TMP/log" "$jobs/corpus.sbatch" out videos
    [ "$(cat "$TMP/cpus")" = $'corpus\nCPUs=3' ] || { cat "$TMP/cpus"; false; }
}

@test "without a job it says so, and what is wrong of its words" {
    exits 2 "$VLRM" slurm train "$TMP/run" --model x
    says "there is no job: sbatch train.sbatch"
    exits 2 "$VLRM" slurm retrain
    says "not 'retrain'"
    exits 0 bash "$jobs/train.sbatch" --help
    says "usage: sbatch"
    exits 2 "$VLRM" slurm train --run x
    says "the folder comes first"
}
