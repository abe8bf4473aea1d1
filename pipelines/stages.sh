# shellcheck shell=bash
# What recipes are made of: stages chained by pipes, started, watched, reported and stopped as one.
#
#   . stages.sh
#   stages_begin train run                         the recipe's name, and the run folder: logs go to run/logs/NAME.log
#   stage extract 1 vlrm-extract videos/           a stage's name, its share of the threads (a weight, or "all"), its command
#   stage rollout all vlrm-rollout --policy run/policy
#   stages_run [FILE]                              runs them; the last one writes to FILE, which appears whole or not at all
#
# What is promised: stages_run returns the status of the stage that failed by itself, the most upstream one, and names it; those
# that failed because of it (exit 5, a broken pipe) are not blamed. A stage that fails stops the others: each is asked by SIGTERM
# (programs of the suite finish their record or step), and killed after VLRM_STOP_SECONDS. Each stage is a process group and
# is killed with all its children; stages also end when this shell is killed with -9. SIGINT or SIGTERM stops all stages and
# gives 75; a second one kills them.
#
# Names are bytes: any name of a file goes through whole, and is never part of a program (a jq filter, SQL, a sed script).
#
# Each program of the suite says in FOLDER/status/NAME.json how far it is (formats/status.md).
#
# VLRM_THREADS is what there is to share (default: the processors there are for it), VLRM_PROGRAMS where the programs are.

unset CDPATH
trap stages_asked_to_tell USR1
exec {stages_stderr}>&2 # what a recipe says of itself, also where it turns its stderr elsewhere
stages_folder=$(readlink -f "${BASH_SOURCE[0]}")
stages_folder=${stages_folder%/*}
if [ -z "${VLRM_PROGRAMS-}" ]; then
    VLRM_PROGRAMS=$(readlink -f "$stages_folder/../bin/vlrm" || echo)
    [ -n "$VLRM_PROGRAMS" ] && [ -e "$VLRM_PROGRAMS" ] || VLRM_PROGRAMS=$(readlink -f "$stages_folder/../../../bin/vlrm")
    VLRM_PROGRAMS=${VLRM_PROGRAMS%/*}
fi
PATH=$VLRM_PROGRAMS:$PATH

stage_names=() stage_shares=() stage_first=() stage_length=() stage_words=()
stage_pids=() stage_statuses=() stage_stopped=()
stages_interrupts=0 stages_rows='' stages_watcher='' stages_asked=''

# recipe_die TEXT: for faults found before anything runs.
recipe_die() {
    echo "vlrm ${recipe_name:-recipe}: $1" >&2
    exit "${2:-1}"
}

# recipe_help FILE: prints the comment at the head of a recipe, without the interpreter's line.
recipe_help() {
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$1"
}

# recipe_temporary FILE: the name of a new, empty file beside FILE, that nobody has guessed; to be renamed to FILE once it is whole.
recipe_temporary() {
    local made
    made=$(mktemp -- "$1.writing-XXXXXXXX") && chmod "$(printf '%o' $((0666 & ~0$(umask))))" -- "$made" && printf '%s\n' "$made"
}

# as_path VARIABLE: a name in it that a program could take for an option, for stdin or for an address becomes one that begins with ./
as_path() {
    local -n as_path_name=$1
    case $as_path_name in /*) ;; -* | *:*) as_path_name=./$as_path_name ;; esac
}

# options_read PROGRAM...: what their --help-options says. takes["PROGRAM NAME"] and takes[NAME] are 1 where a value follows, 0 where none
# does; letters[C] is the long name of -C.
# shellcheck disable=SC2034 # recipes read them
declare -A takes=() letters=()
# shellcheck disable=SC2034
options_read() {
    local program tables='' name kind letter
    for program; do
        tables+=$("$program" --help-options) || recipe_die "cannot run $program"
    done
    # shellcheck disable=SC2016 # jq's variable
    tables=$(jq -r '.program as $program | .options[]
        | [$program, .name, if .type == "flag" or .implied then 0 else 1 end, .letter] | @tsv' <<<"$tables") || recipe_die 'cannot run jq'
    while IFS=$'\t' read -r program name kind letter; do
        takes[$name]=$kind
        takes["$program $name"]=$kind
        [ -z "$letter" ] || letters[$letter]=$name
    done <<<"$tables"
}

# leftovers_remove FILE: what killed recipes have left of recipe_temporary FILE: older than a minute, and no recipe holds its lock.
leftovers_remove() {
    local old lock
    for old in "$1".writing-????????; do
        if [ ! -r "$old" ] || [ $(($(date +%s) - $(stat -c %Y -- "$old"))) -le 60 ]; then continue; fi
        exec {lock}<"$old"
        if flock -n "$lock"; then rm -f -- "$old"; fi
        exec {lock}<&-
    done
}

# temporary_folder NAME: makes one for the recipe NAME, its path in `folder`, locked as long as the recipe is at work. Those of recipes
# that were killed are removed: their lock is there, and free.
temporary_folder() {
    local old lock temporary=${TMPDIR:-/tmp}
    as_path temporary
    while IFS= read -r -d '' old; do
        exec {lock}<"$old/lock" || continue
        if flock -n "$lock"; then rm -rf -- "$old"; fi
        exec {lock}<&-
    done < <(find "$temporary" -maxdepth 1 -name "vlrm-$1.??????" -user "$(id -u)" -mmin +1 -exec test -r '{}/lock' ';' -print0 2>/dev/null)
    folder=$(mktemp -d -- "$temporary/vlrm-$1.XXXXXX") || recipe_die "cannot make a folder in $temporary"
}

# temporary_folder_end: it stays, with its logs, for who reads of it.
temporary_folder_end() {
    rm -f -- "$folder/lock"
}

# Waits for process $1, also where a signal comes in between, and returns its status.
wait_for() {
    local status
    wait "$1"
    status=$?
    while kill -0 "$1" 2>/dev/null; do
        wait "$1"
        status=$?
    done
    return "$status"
}

# stages_begin NAME RUN: makes the run folder and takes it: two recipes in one folder would spoil each other's files.
stages_begin() {
    recipe_name=$1 stages_run_folder=$2
    mkdir -p -- "$2/logs" || recipe_die "cannot make the run folder $2"
    exec {stages_lock}>"$2/lock"
    flock -n "$stages_lock" || recipe_die "$2 is in use by another run"
    rm -rf -- "$2"/stages.?????? # left by killed recipes of earlier versions
}

stage() {
    stage_names+=("$1") stage_shares+=("$2") stage_first+=("${#stage_words[@]}")
    shift 2
    stage_length+=($#) stage_words+=("$@")
}

# stage_log I VARIABLE: the log of stage I. No process is started for it: where none can be, messages still have a name.
stage_log() {
    printf -v "$2" %s "$stages_run_folder/logs/${stage_names[$1]}.log"
}

# How many processors there are for this process: those of its affinity mask, no more than Slurm gave the task, and of several ranks on
# this machine its share.
processors() {
    local n share
    n=$(nproc)
    case ${SLURM_CPUS_PER_TASK-} in '' | *[!0-9]* | 0*) ;; *) [ "$SLURM_CPUS_PER_TASK" -ge "$n" ] || n=$SLURM_CPUS_PER_TASK ;; esac
    share=$(($(getconf _NPROCESSORS_ONLN) / ${OMPI_COMM_WORLD_LOCAL_SIZE:-1}))
    [ "$share" -gt 0 ] || share=1
    [ "$share" -ge "$n" ] || n=$share
    echo "$n"
}

# ranks_read: whether a launcher (mpirun, srun) has started this as one of several ranks: which, in `rank`, of how many, in `ranks`.
# shellcheck disable=SC2034 # recipes read them
ranks_read() {
    rank=${OMPI_COMM_WORLD_RANK-${PMIX_RANK-${PMI_RANK-0}}} ranks=${OMPI_COMM_WORLD_SIZE-${PMI_SIZE-1}}
    if [ -n "${PMIX_RANK-}" ] && [ -z "${OMPI_COMM_WORLD_SIZE-}" ]; then ranks=${SLURM_STEP_NUM_TASKS-${SLURM_NTASKS-1}}; fi
}

# How many threads stage $1 gets: all, or its weight's part of all, at least one.
stage_threads() {
    local total=${VLRM_THREADS:-$(processors)} weights=0 share threads
    for share in "${stage_shares[@]}"; do [ "$share" = all ] || weights=$((weights + share)); done
    share=${stage_shares[$1]}
    [ "$share" != all ] || { echo "$total"; return; }
    threads=$((total * share / weights))
    echo $((threads > 0 ? threads : 1))
}

# Starts stage $1, reading descriptor $2 and writing descriptor $3; $4 is one more that it must not inherit ("" for none).
stage_start() {
    local threads log words=("${stage_words[@]:${stage_first[$1]}:${stage_length[$1]}}")
    threads=$(stage_threads "$1")
    stage_log "$1" log
    case ${words[0]} in vlrm-*)
        mkdir -p -- "$stages_run_folder/status" || recipe_die "cannot make $stages_run_folder/status"
        words=("${words[0]}" --status-file="$stages_run_folder/status/${stage_names[$1]}.json" "${words[@]:1}")
        ;;
    esac
    printf '== %s: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${words[*]@Q}" >>"$log" || recipe_die "cannot write $log"
    set -m
    (
        trap - INT TERM HUP EXIT
        trap '' USR1 # programs of the suite take it; others shall not end of it
        exec <&"$2" >&"$3" 2>>"$log"
        for fd in "$2" "$3" "$stages_stderr" $4; do [ "$fd" -le 2 ] || exec {fd}>&-; done
        export VLRM_THREADS=$threads
        exec setpriv --pdeathsig TERM -- "${words[@]}"
    ) &
    stage_pids[$1]=$!
    set +m
}

# Opens a pipe, its ends in `reading` and `writing`. It has no name: there is nothing of it that a killed recipe could leave.
pipe_open() {
    local both=
    exec {both}<> <(:)
    [ -n "$both" ] || recipe_die 'cannot open a pipe'
    exec {writing}>"/proc/self/fd/$both"
    exec {reading}<"/proc/self/fd/$both" {both}>&-
}

# Starts all stages. The last one writes to descriptor $1.
stages_start() {
    local i last=$((${#stage_names[@]} - 1)) input=0 reading writing
    rm -f -- "$stages_run_folder"/status/*
    for ((i = 0; i < last; i++)); do
        pipe_open
        stage_start "$i" "$input" "$writing" "$reading"
        [ "$input" = 0 ] || exec {input}<&-
        exec {writing}>&-
        input=$reading
    done
    stage_start "$last" "$input" "$1" ''
    [ "$input" = 0 ] || exec {input}<&-
}

stage_running() {
    [ -z "${stage_statuses[$1]-}" ]
}

# Sends signal $1 to the process group of stage $2, if anything of it is left.
stage_signal() {
    kill "-$1" -- "-${stage_pids[$2]}" 2>/dev/null
}

# At SIGUSR1: says how far the recipe is, at once or, while there are stages, in stages_wait: where a trap's command substitution
# outlasts the read that it interrupts, bash 5.2 leaves the trap.
stages_asked_to_tell() {
    if [ "${#stage_pids[@]}" = 0 ]; then
        echo "vlrm ${recipe_name:-recipe}: at work for $SECONDS s" >&"$stages_stderr"
    else
        stages_asked=yes
    fi
}

# Slurm signals every process of a job: vlrm-top, just started, shall not end of it.
stages_tell() {
    local line
    [ -n "$stages_asked" ] || return 0
    trap '' USR1
    stages_asked=''
    line=$(vlrm-top --once --show line -- "$stages_run_folder" 2>/dev/null)
    echo "vlrm $recipe_name: ${line:-at work for $SECONDS s}" >&"$stages_stderr"
    trap stages_asked_to_tell USR1
}

# Whether stdout is a terminal that somebody sits at: mpirun gives its ranks one wherever its own output goes.
on_terminal() {
    [ -t 1 ] && [ -z "${OMPI_COMM_WORLD_SIZE-}" ]
}

# Starts what shows how far the stages are, until stages_unwatch: where stderr is a terminal, a line there; where stages_rows is set (a
# training), a row for each step on a terminal that is stdout, and collapses on stderr wherever that goes.
stages_watch() {
    local show='' to=$stages_stderr after
    if [ -n "$stages_rows" ] && on_terminal; then
        show=rows to=1
    elif [ -t "$stages_stderr" ] && [ ! -t 1 ]; then
        show=line
    elif [ -n "$stages_rows" ]; then
        show=collapses
    fi
    [ -n "$show" ] || return 0
    # How many bytes there are now: the first steps may be taken before it has started.
    after=$(stat -c %s -- "$stages_run_folder/metrics.jsonl" 2>/dev/null) || after=0
    (
        trap - INT TERM HUP EXIT
        trap '' INT USR1
        exec setpriv --pdeathsig TERM -- vlrm-top --follow --after "$after" --show "$show" -- "$stages_run_folder" </dev/null >&"$to"
    ) &
    stages_watcher=$!
}

stages_unwatch() {
    [ -n "$stages_watcher" ] || return 0
    kill -TERM "$stages_watcher" 2>/dev/null
    wait_for "$stages_watcher"
    stages_watcher=
}

# Collects the stages that have ended. What a stage leaves behind in its group goes with it: it could hold a pipe open for ever.
stages_reap() {
    local i
    for i in "${!stage_pids[@]}"; do
        if stage_running "$i" && ! kill -0 "${stage_pids[$i]}" 2>/dev/null; then
            wait "${stage_pids[$i]}" 2>/dev/null
            stage_statuses[i]=$?
            stage_signal KILL "$i"
        fi
    done
}

# Whether stage $1 is running but should end: the recipe is interrupted, a stage has failed, or a stage below it has ended.
stage_is_due() {
    local i status
    stage_running "$1" || return 1
    [ "$stages_interrupts" = 0 ] || return 0
    for i in "${!stage_statuses[@]}"; do
        status=${stage_statuses[$i]}
        [ "$i" -lt "$1" ] || return 0
        case $status in 0 | 3 | 75) ;; *) return 0 ;; esac
    done
    return 1
}

# Waits for all stages. One that should end has a while to do so by itself (its pipe says so too), then is asked, then killed.
stages_wait() {
    local grace=${VLRM_GRACE_SECONDS:-5} patience=${VLRM_STOP_SECONDS:-60} i idle due_since=()
    exec {idle}<> <(:)
    while [ "${#stage_statuses[@]}" -lt "${#stage_pids[@]}" ]; do
        for i in "${!stage_pids[@]}"; do
            stage_is_due "$i" || continue
            : "${due_since[i]:=$SECONDS}"
            if [ -z "${stage_stopped[i]-}" ] && { [ "$stages_interrupts" -gt 0 ] || [ $((SECONDS - due_since[i])) -ge "$grace" ]; }; then
                stage_stopped[i]=TERM
                stage_signal TERM "$i"
            elif [ "$stages_interrupts" -gt 1 ] || [ $((SECONDS - due_since[i])) -ge $((grace + patience)) ]; then
                stage_stopped[i]=KILL
                stage_signal KILL "$i"
            fi
        done
        read -r -t 0.1 -u "$idle" _ # nobody writes: a sleep that signals interrupt and that is no process
        stages_tell
        stages_reap
    done
    exec {idle}>&-
}

# Whether stage $1 failed for no fault of its own: it was stopped, or those below it took no more.
stage_is_victim() {
    local status=${stage_statuses[$1]}
    case ${stage_stopped[$1]-}:$status in TERM:75 | TERM:143 | TERM:5 | KILL:137) return 0 ;; esac
    [ "$1" -lt $((${#stage_names[@]} - 1)) ] || [ -n "${stage_stopped[$1]-}" ] || return 1
    [ "$status" = 141 ] && return 0
    [ "$status" = 1 ] && stage_last_words "$1" | grep -q 'Broken pipe' # a user's own program
}

status_text() {
    case $1 in
    1) echo failure ;;
    2) echo 'wrong usage' ;;
    3) echo 'finished, but some records failed' ;;
    4) echo 'empty input where input was required' ;;
    5) echo 'input truncated or corrupt, or upstream failed' ;;
    6) echo 'mismatch' ;;
    7) echo 'a check failed' ;;
    8) echo 'out of memory' ;;
    75) echo interrupted ;;
    141) echo 'nobody reads its output any more' ;;
    126 | 127) echo 'could not be started' ;;
    *) if [ "$1" -gt 128 ]; then echo "killed by SIG$(kill -l "$1")"; else echo 'unknown status'; fi ;;
    esac
}

# Prints the number of the stage to blame, or nothing: the most upstream one that failed by itself, a failure before an
# interruption, an interruption before failed records.
stages_culprit() {
    local i status wanted
    for wanted in fatal 75 3; do
        for i in "${!stage_names[@]}"; do
            status=${stage_statuses[$i]}
            case $wanted:$status in
            *:0 | fatal:3 | fatal:75) continue ;;
            fatal:* | 75:75 | 3:3) stage_is_victim "$i" || { echo "$i"; return; } ;;
            esac
        done
    done
}

# What stage $1 said last in this run: a log holds every run in this folder, each after a line "== time: command".
stage_last_words() {
    local log
    stage_log "$1" log
    tail -n 6 -- "$log" | awk '/^== / {said = ""; next} {said = said $0 "\n"} END {printf "%s", said}'
}

# Fields of the options that a recipe has written and not put in place yet are options to whoever reads it.
stage_report() {
    local status=${stage_statuses[$1]} log
    stage_log "$1" log
    echo "vlrm $recipe_name: ${stage_names[$1]} ended with status $status ($(status_text "$status")), log $log" >&2
    stage_last_words "$1" | sed -E 's/^/    /; s|: [^ ]*\.json\.writing-[A-Za-z0-9]{8}: |: --|' >&2
}

# Reports and returns what the recipe ends with.
stages_verdict() {
    local culprit i
    culprit=$(stages_culprit)
    for i in "${!stage_names[@]}"; do
        [ "${stage_stopped[$i]-}" != KILL ] || echo "vlrm $recipe_name: ${stage_names[$i]} did not end when asked to and was killed" >&2
    done
    if [ -n "$culprit" ]; then
        stage_report "$culprit"
        # Who interrupts may have signalled all processes, as Slurm does: what one made of another's end then is no failure.
        case $stages_interrupts:${stage_statuses[$culprit]} in 0:*) ;; *:1 | *:5 | *:141 | *:143) echo "vlrm $recipe_name: interrupted" >&2; return 75 ;; esac
        return "${stage_statuses[$culprit]}"
    fi
    [ "$stages_interrupts" = 0 ] || { echo "vlrm $recipe_name: interrupted" >&2; return 75; }
    return 0
}

# Nothing outlives the recipe, however it ends.
stages_clean_up() {
    local i
    stages_unwatch
    for i in "${!stage_pids[@]}"; do
        if stage_running "$i"; then stage_signal KILL "$i"; fi
    done
    [ -z "${stages_writing-}" ] || rm -f -- "$stages_writing"
}

stages_run() {
    local output=1 status
    stage_pids=() stage_statuses=() stage_stopped=() stages_writing=
    trap stages_clean_up EXIT
    trap 'stages_interrupts=$((stages_interrupts + 1))' INT TERM HUP
    if [ $# -gt 0 ]; then
        case $1 in */*) stages_writing=${1%/*}/.${1##*/} ;; *) stages_writing=./.$1 ;; esac
        leftovers_remove "$stages_writing"
        stages_writing=$(recipe_temporary "$stages_writing") || recipe_die "cannot write $1"
        exec {output}>"$stages_writing" || recipe_die "cannot write $1"
        flock -n "$output"
    fi
    if [ "$output" = 1 ] && [ -n "$stages_rows" ] && on_terminal; then exec {output}>/dev/null; fi # in rows it is easier to read
    stages_watch
    stages_start "$output"
    [ "$output" = 1 ] || exec {output}>&-
    stages_wait 2>/dev/null # where bash itself would announce each job that a signal ended
    stages_unwatch
    stages_verdict
    status=$?
    if [ $# -gt 0 ]; then
        case $status in
        0 | 3) sync -- "$stages_writing" && mv -f -- "$stages_writing" "$1" || status=1 ;;
        75)
            mv -f -- "$stages_writing" "$1.interrupted"
            echo "vlrm $recipe_name: what was done is in $1.interrupted" >&2
            ;;
        esac
    fi
    stages_clean_up
    trap - EXIT
    trap 'exit 75' INT TERM HUP # what a recipe still does is short
    stage_pids=() stage_names=() stage_shares=() stage_first=() stage_length=() stage_words=()
    return "$status"
}
