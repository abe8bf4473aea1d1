#!/bin/bash
# reproduce: make the paper's tables and ablations on the bundled miniature, and other baselines beside its value head
#
# usage: vlrm reproduce [RUN]
#
# Takes 75 minutes on two cores. Trains VLRM and VLRM-RS with several seeds and each ablation with one, two trainings side by side;
# compares the value head with baselines that need none, by captions and by seconds, three seeds each; trains another captioner, and
# with another reference, three seeds each; captions 1,000 and more
# held-out frames, and those of a world drawn otherwise, with what came out and measures them: recall under a CLIP that took no
# part in training, and the truth. Everything is put into the folder RUN (default: run/reproduce): results.json, reproduction.md
# (the report; `make reproduce` copies it to doc/), page/index.html, runs/, logs/. A run that is finished is not run again: the
# same command goes on where it was stopped. Rows and settings are those of pipelines/miniature.sh.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
. "$stages_folder/miniature.sh" || exit 1

case ${1-} in
-h | --help) recipe_help "${BASH_SOURCE[0]}"; exit ;;
-*) recipe_name=reproduce; recipe_die "unknown option $1; --help lists what there is" 2 ;;
esac
run=${1:-run/reproduce}
stages_begin reproduce "$run"
mini_models+=(smolvlm language)
mini_check jq sqlite3 gnuplot bc
mini_seal "$run"
mkdir -p -- "$run/runs" "$run/results/test" "$run/results/other"

# processor_seconds PROCESS: what it and all that it has started have taken. Trainings have one thread each, so this is the time that
# one takes on a processor of its own, whatever else the machine does.
processor_seconds() {
    { cat /proc/[0-9]*/stat 2>/dev/null || :; } | awk -v root="$1" -v tick="$(getconf CLK_TCK)" '
        {process = $1; sub(/^.*[)] /, ""); parent[process] = $2; took[process] = $12 + $13 + $14 + $15}
        END {
            for (process in took) {
                for (up = process; up != root && up in parent; up = parent[up]);
                if (up == root) sum += took[process]
            }
            printf "%.2f\n", sum / tick
        }'
}

# job ROW SEED OPTIONS...: one training, then its last policy measured. Its seconds are kept, a line each time that it is at work.
job() {
    local name=$1.$2 seed=$2 self=$BASHPID
    [ ! -e "$run/results/test/$name.truth.json" ] || return 0
    seconds=$run/runs/$name.seconds
    trap 'processor_seconds "$BASHPID" >>"$seconds"' EXIT
    trap 'exit 75' TERM # once what it runs has come to its own end: only then is the folder free for the same command
    printf %s "${*:3}" >"$run/runs/$name.options"
    (trap : TERM && mini_train "$run/runs/$name" "$run/train" "$(mini_steps "$1")" "$MINI_EVERY" --seed "$seed" --gradient-parts "$MINI_PARTS" "${@:3}") |
        clock "$run/runs/$name.clock" "$self"
    if mini_among "$1" "${mini_compared[@]}"; then measure_curve "$1" "$name"; fi
    if mini_among "$1" "${mini_main[@]}"; then
        mini_evaluate "$run/other" "$run/results/other/$name" "$(policy_of "$name" "$MINI_STEPS")"
        measure_late "$name"
    fi
    mini_evaluate "$run/test" "$run/results/test/$name" "$(policy_of "$name" "$MINI_STEPS")"
}

policy_of() {
    echo "$run/runs/$1/policy/step-$(printf %06d "$2")"
}

# clock FILE PROCESS: reads lines of metrics, and writes after how many processor seconds of PROCESS each step was there: "step
# seconds". A training that was interrupted goes on where its clock stood.
clock() {
    local begun=0 line
    trap '' TERM # it ends with what it reads
    [ ! -s "$1" ] || begun=$(tail -n 1 "$1" | cut -d' ' -f2)
    while IFS= read -r line; do
        [[ $line =~ \"step\":([0-9]+) ]] || continue
        echo "${BASH_REMATCH[1]} $(bc -l <<<"$begun + $(processor_seconds "$2")")" >>"$1"
    done
}

# measure_curve ROW NAME: every policy kept, on a part of the test set.
measure_curve() {
    local step
    for ((step = MINI_EVERY; step <= $(mini_steps "$1"); step += MINI_EVERY)); do
        mini_evaluate "$run/curve" "$run/results/curve-$step/$2" "$(policy_of "$2" "$step")"
    done
}

# The last policy kept of each training of the compared rows that was there when VLRM of the same seed had taken its last step, on the
# test set: results/seconds/ROW.SEED, and which step it was of beside it.
measure_seconds() {
    local row seed step
    for row in "${mini_compared[@]}"; do
        for seed in $MINI_SEEDS; do
            if [ ! -e "$run/runs/VLRM.$seed.clock" ] || [ ! -e "$run/runs/$row.$seed.clock" ]; then continue; fi
            step=$(awk -v every="$MINI_EVERY" -v last="$MINI_STEPS" 'FNR == NR {if ($1 == last) limit = $2; next}
                $1 % every == 0 && $2 <= limit {step = $1} END {print step + 0}' "$run/runs/VLRM.$seed.clock" "$run/runs/$row.$seed.clock")
            if [ "$step" = 0 ] || [ -e "$run/results/seconds/$row.$seed.truth.json" ]; then continue; fi
            mkdir -p -- "$run/results/seconds"
            echo "$step" >"$run/results/seconds/$row.$seed.step"
            mini_evaluate "$run/test" "$run/results/seconds/$row.$seed" "$(policy_of "$row.$seed" "$step")"
        done
    done
}

# measure_late NAME: the policies kept before the last one, MINI_LATE with it, on the test set too.
measure_late() {
    local i step
    for ((i = 1; i < MINI_LATE; i++)); do
        step=$((MINI_STEPS - i * MINI_EVERY))
        [ "$step" -gt 0 ] || break
        mini_evaluate "$run/test" "$run/results/test-$step/$1" "$run/runs/$1/policy/step-$(printf %06d "$step")"
    done
}

# Starts a job in a process group of its own, as soon as fewer than MINI_JOBS are running.
pids=() names=()
start() {
    while [ "$(jobs -rp | wc -l)" -ge "$MINI_JOBS" ]; do wait -n || true; done
    echo "$1, seed $2"
    names+=("$1.$2")
    set -m
    # shellcheck disable=SC2031 # it is meant for the job alone
    (export VLRM_THREADS=1 && job "$@") </dev/null >>"$run/logs/$1.$2.log" 2>&1 &
    pids+=($!)
    set +m
}

stop() {
    trap '' INT TERM HUP
    local pid
    for pid in "${pids[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
    wait
    echo 'vlrm reproduce: interrupted; the same command continues' >&2
    exit 75
}

# start_row ROW OPTIONS...: its trainings: every seed of the main and the compared rows and of those with other models, the first of
# the others.
start_row() {
    local seed
    for seed in $MINI_SEEDS; do
        start "$1" "$seed" "${@:2}"
        mini_among "$1" "${mini_main[@]}" "${mini_compared[@]}" "${mini_other[@]}" || break
    done
}

# Waits for all jobs and names those that failed.
finish() {
    local i failed=''
    for i in "${!pids[@]}"; do
        wait "${pids[$i]}" || {
            failed=yes
            echo "vlrm reproduce: ${names[$i]} failed, log $run/logs/${names[$i]}.log:" >&2
            tail -n 3 "$run/logs/${names[$i]}.log" >&2
        }
    done
    [ -z "$failed" ] || exit 1
}

# Captions of the policies of every MINI_EVERY steps, seed 1 of what is worth following: page, plot, and the truth besides.
measure_steps() {
    local name followed=() pages=() captions first=${MINI_SEEDS%% *}
    for name in "${mini_followed[@]}"; do
        if [ -d "$run/runs/$name.$first/policy" ]; then followed+=(--run "$name=$run/runs/$name.$first"); fi
    done
    [ "${#followed[@]}" -gt 0 ] || return 0
    "$BASH" "$stages_folder/cron-eval.sh" "${followed[@]}" --frames "$run/test.vlrm" --model "$MODELS/captioner" --clip "$MODELS/judge" \
        --itm "$MODELS/itm" --max-drop 2 --out "$run/page"
    for captions in "$run"/page/*/step-*.vlrm; do mini_score "$run/test" "$captions"; done
    for name in "${mini_followed[@]}"; do
        if [ -d "$run/runs/$name.$first/policy" ]; then pages+=("$name=$run/runs/$name.$first"); fi
    done
    vlrm-report --compare --eval "$run/page" --frames "$run/test.vlrm" --output "$run/page/index.html" "${pages[@]}" # with the truth
}

# measured FILE --arg KEY VALUE...: what vlrm-eval and vlrm-world-score say of the captions FILE.vlrm, with these keys before it.
measured() {
    jq -cn "${@:2}" --slurpfile r "$1.json" --slurpfile t "$1.truth.json" '($ARGS.named | del(.r, .t)) + {
        mean: ($r[0].runs[0].metrics | map_values(.mean)), low: $r[0].runs[0].metrics["r@1"].low,
        high: $r[0].runs[0].metrics["r@1"].high, frames: $r[0].runs[0].images, truth: ($t[0] | del(.details)), details: $t[0].details}'
}

# The measurements of the last policies, {set, row, seed, ..} a line; of the policies by step, {run, step, ..} a line.
rows() {
    local file set name
    for file in "$run"/results/*/*.truth.json; do
        file=${file%.truth.json} name=${file##*/}
        set=${file%/*} set=${set##*/}
        measured "$file" --arg set "$set" --arg row "${name%.*}" --argjson seed "${name##*.}" --argjson taken "$(cat "$file.step" 2>/dev/null || echo null)"
    done
}
steps() {
    local file name
    for file in "$run"/page/*/step-*.truth.json; do
        file=${file%.truth.json} name=${file%/*}
        measured "$file" --arg run "${name##*/}" --argjson step "${file##*/step-}"
    done
}

# How training went: means of the first and of the last ten steps of each run; and of what vlrm-update warned, by metric.
trainings() {
    local file name
    for file in "$run"/runs/*/metrics.jsonl; do
        name=$(basename "$(dirname "$file")")
        jq -cs --arg row "${name%.*}" --argjson seed "${name##*.}" --rawfile command "$run/runs/$name.command" \
            --rawfile options "$run/runs/$name.options" --rawfile clock "$run/runs/$name.clock" --argjson every "$MINI_EVERY" --argjson seconds "$(jq -s add "$run/runs/$name.seconds")" '
            def part: {reward: .reward.mean, sim: .sim.mean, ref: .ref.mean, length: .length.mean, entropy, bad_rate, value_loss, explained_variance, grad_agreement, memory: .peak_memory_mib};
            def means: map(part | to_entries[]) | group_by(.key) | map({key: .[0].key, value: (map(.value // empty) | if length > 0 then add / length else null end)}) | from_entries;
            def alarms: map(select(.collapse)) | group_by(.collapse) | map({metric: .[0].collapse, first: .[0].step, steps: length}) | sort_by(.first);
            ($clock | split("\n") | map(select(. != "") | split(" ") | map(tonumber)) | map(select(.[0] % $every == 0) | {step: .[0], seconds: .[1]})) as $clock |
            {$row, $seed, $command, $options, $seconds, $clock, all: means, alarms: alarms, steps: length, begin: (.[:10] | means), end: (.[-10:] | means)}' "$file"
    done
}

echo_first() {
    echo "$1"
}

# The captions of a few frames by several rows, {id, row, text} a line.
examples() {
    local name
    for name in REF.0 base.0 $(printf "%s.${MINI_SEEDS%% *} " "${mini_followed[@]}"); do
        [ -e "$run/results/test/$name.vlrm" ] || continue
        vlrm-cat --head 8 "$run/results/test/$name.vlrm" | jq -c --arg row "${name%.*}" 'select(.id) | {id: (.id | sub(".*/"; "")), row: $row, text: .caption.text}'
    done
}

mini_clips "$run/train" train "$MINI_TRAIN_SEED" "$MINI_TRAIN_CLIPS"
mini_world "$run/test" test "$MINI_TEST_SEED" "$MINI_TEST_CLIPS"
mini_world "$run/other" other "$MINI_TEST_SEED" "$MINI_TEST_CLIPS"
mini_head "$run/curve" "$run/test" "$MINI_CURVE_FRAMES"
echo 'premise'
"$BASH" "$stages_folder/premise.sh" "$run/premise" >"$run/logs/premise.log" || [ $? = 7 ]
echo 'truth and base'
for set in test other; do
    mini_truth "$run/$set" "$run/results/$set/REF.0" --kind long
    mini_truth "$run/$set" "$run/results/$set/REF-short.0" --kind short
    mini_evaluate "$run/$set" "$run/results/$set/base.0"
done
mini_evaluate "$run/test" "$run/results/test/another-captioner-base.0"
trap stop INT TERM HUP
mini_rows start_row
finish
trap - INT TERM HUP
echo 'policies by step and by second'
measure_steps
measure_seconds
writing=$(recipe_temporary "$run/results.json")
jq -n --rawfile settings "$run/settings" --arg date "$(date -u +%F)" --arg machine "$(nproc) of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
    --arg program "$(vlrm-update --version)" --slurpfile premise "$run/premise/premise.json" --slurpfile rows <(rows) --slurpfile steps <(steps) \
    --slurpfile trainings <(trainings) --slurpfile examples <(examples) --argjson seconds "$(cat "$run"/runs/*.seconds | jq -s add)" \
    --arg order "$(mini_rows echo_first)" '{$date, $machine, order: ($order | split("\n")), $program, $seconds, settings: ($settings | split("\n") | map(select(. != ""))), premise: $premise[0], $rows, $steps, $trainings, $examples}' >"$writing"
mv -- "$writing" "$run/results.json"
writing=$(recipe_temporary "$run/reproduction.md")
jq -nr --slurpfile results "$run/results.json" -f "$stages_folder/reproduction.jq" >"$writing"
mv -- "$writing" "$run/reproduction.md"
echo "the report: $run/reproduction.md; captions side by side: $run/page/index.html"
