#!/bin/bash
# slurm: run a recipe in a job of Slurm, and queue the job again where its time was up
#
# usage: sbatch [options of sbatch] train.sbatch RUN [options of vlrm train] SHARDS...          each task is a rank of one training
#        sbatch --array=0-63 corpus.sbatch DIR SOURCE... [-- EXTRACT-OPTIONS]                   each makes its shard of a corpus in DIR
#        sbatch --array=0-63 caption.sbatch DIR [options of vlrm caption] SOURCE...             each captions its share, into DIR
#        sbatch --array=0-2 evaluate.sbatch RUN [options of vlrm evaluate] SOURCE...            each evaluates one policy of the run
#
# These four files (share/vlrm/pipelines/slurm) run `vlrm slurm train RUN ..` and so on; vlrm has to be in PATH, or its path in VLRM. RUN
# and DIR lie where every node has them under the same name.
#
# Slurm is asked for a SIGTERM two minutes before the time limit (#SBATCH --signal; --signal=TERM@SECONDS on sbatch's command line is
# stronger): what runs then ends with its step, or record, and the job is queued again and goes on there. So is it after a node failed,
# and after preemption. It is not after scancel, and not where a training has not come to the end of one step since it began.
#
# caption: DIR/part-I-of-N.jsonl, a line a caption. evaluate: task I takes the Ith policy that the run has kept, oldest first (without an
# array: the latest), its report is RUN/evaluate/step-NNNNNN.json. The recipe's own options: vlrm train --help and so on.
#
# Exit status: that of the recipe, the worst of all tasks; 75 also where the job is queued again.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
recipe_name=slurm

usage() {
    recipe_die "$1; see vlrm slurm --help" 2
}

# Which task of the array of how many this is, in `task` and `tasks`.
array_read() {
    task=$((${SLURM_ARRAY_TASK_ID:-0} - ${SLURM_ARRAY_TASK_MIN:-0})) tasks=${SLURM_ARRAY_TASK_COUNT:-1}
}

# step COMMAND...: runs it as a step of the job, which Slurm's signals reach; its status in `status`.
step() {
    srun "$@" &
    local step_pid=$!
    trap : INT TERM HUP # the step has it too, and ends as it should
    wait_for "$step_pid"
    status=$?
    trap - INT TERM HUP
}

# as_rank FOLDER COMMAND...: one task of a training. A status that is no failure is kept in FOLDER, for srun would end the others by it;
# so is the node.
as_rank() {
    local status
    trap : INT TERM HUP # the recipe has it too
    echo "${SLURMD_NODENAME-}" >"$1/node-${SLURM_PROCID:-0}"
    vlrm "${@:2}"
    status=$?
    case $status in 0 | 3 | 75)
        echo "$status" >"$1/status-${SLURM_PROCID:-0}"
        exit 0
        ;;
    esac
    exit "$status"
}

# The worst of what ranks have kept in the folder $1.
worst_status() {
    cat -- "$1"/status-* 2>/dev/null | awk '$1 == 75 {worst = 75} $1 == 3 && !worst {worst = 3} END {print worst + 0}'
}

# tell_first RUN FOLDER SECONDS: which stage of which rank was killed first since then. Where a process of MPI dies Slurm kills the whole
# step, often before its recipe can say so.
tell_first() {
    local first rank stage node
    first=$(find "$1"/status "$1"/ranks/*/status -name '*.json' -exec jq -r --argjson since "$3" \
        'select(.killed and .began >= $since) | "\(.time) \(input_filename)"' {} + 2>/dev/null | sort -n | head -n 1 | cut -d' ' -f2-)
    [ -n "$first" ] || return 0
    stage=${first##*/} stage=${stage%.json} rank=0
    case $first in "$1"/ranks/*) rank=${first#"$1"/ranks/} rank=${rank%%/*} ;; esac
    node=$(cat -- "$2/node-$rank" 2>/dev/null)
    echo "vlrm slurm: rank $rank${node:+ on $node}: $stage was killed first; what it said is in ${first%/status/*}/logs/$stage.log" >&2
}

# Queues the job again, unless somebody wants it to end; exits.
queue_again() {
    local state
    state=$(squeue --noheader --jobs "$SLURM_JOB_ID" --format %T 2>/dev/null)
    if [ "$state" != RUNNING ]; then
        echo "vlrm slurm: job $SLURM_JOB_ID is $state: it is not queued again" >&2
    elif scontrol requeue "$SLURM_JOB_ID"; then
        echo "vlrm slurm: job $SLURM_JOB_ID is queued again and will go on" >&2
    fi
    exit 75
}

train() {
    local run=$1 before after statuses began
    as_path run
    mkdir -p -- "$run" || recipe_die "cannot make $run"
    statuses=$(mktemp -d -- "$run/.statuses.$SLURM_JOB_ID.XXXXXX") || recipe_die "cannot write in $run"
    before=$(readlink -- "$run/policy/latest")
    began=$EPOCHSECONDS
    step --mpi=pmix --kill-on-bad-exit=1 -- "$BASH" "$stages_folder/slurm.sh" as-rank "$statuses" train --run="$run" "${@:2}"
    [ "$status" != 0 ] || status=$(worst_status "$statuses")
    case $status in 0 | 3 | 75) ;; *) tell_first "$run" "$statuses" "$began" ;; esac
    rm -rf -- "$statuses"
    [ "$status" = 75 ] || exit "$status"
    after=$(readlink -- "$run/policy/latest")
    [ "$after" != "${before:-step-000000}" ] || recipe_die "no step was taken since this job began: a longer --time, or a later signal, is needed" 75
    queue_again
}

corpus() {
    step --ntasks=1 -- vlrm corpus --out "$@"
    [ "$status" = 75 ] || exit "$status"
    queue_again
}

caption() {
    local task tasks out=$1
    array_read
    as_path out
    mkdir -p -- "$out" || recipe_die "cannot make $out"
    step --ntasks=1 -- vlrm caption --shard "$task/$tasks" --resume --output "$(printf '%s/part-%05d-of-%05d.jsonl' "$out" "$task" "$tasks")" "${@:2}"
    [ "$status" = 75 ] || exit "$status"
    queue_again
}

evaluate() {
    local task tasks run=$1 policies policy
    array_read
    as_path run
    policies=("$run"/policy/step-*)
    [ -n "${SLURM_ARRAY_TASK_ID-}" ] || task=$((${#policies[@]} - 1))
    policy=${policies[$task]-}
    [ -d "$policy" ] || recipe_die "$run has no policy number $task: it has kept ${#policies[@]}" 2
    mkdir -p -- "$run/evaluate" || recipe_die "cannot make $run/evaluate"
    step --ntasks=1 -- vlrm evaluate --policy="$policy" --output="$run/evaluate/${policy##*/}.json" "${@:2}"
    [ "$status" = 75 ] || exit "$status"
    queue_again
}

name=${1-}
case $name in
-h | --help) recipe_help "${BASH_SOURCE[0]}"; exit ;;
train | corpus | caption | evaluate) ;;
as-rank) shift; as_rank "$@" ;;
*) usage "train, corpus, caption or evaluate is expected, not '$name'" ;;
esac
shift
case ${1-} in -h | --help) recipe_help "${BASH_SOURCE[0]}"; exit ;; esac
case ${1--} in -*) usage "$name: the folder comes first" ;; esac
[ -n "${SLURM_JOB_ID-}" ] || recipe_die "there is no job: sbatch $name.sbatch .. makes one" 2
if [ -n "${SLURM_CPUS_PER_TASK-}" ]; then export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK; fi # srun takes it by this name since 22.05
export VLRM_STOP_SECONDS=${VLRM_STOP_SECONDS:-900} # Slurm itself ends what takes longer
"$name" "$@"
