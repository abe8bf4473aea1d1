#!/bin/bash
# corpus: extract a whole corpus in shards, on one machine or on many
#
# usage: vlrm corpus --out DIR [--shards N] [--jobs N] SOURCE... [-- EXTRACT-OPTIONS]
#
# SOURCE is whatever vlrm-extract takes: folders, videos, images, tar shards. Shard I of N becomes DIR/shard-I-of-N.vlrm (I from 0),
# written whole: it has that name only once it is complete. What a killed run had done of a shard is kept with its journal,
# DIR/shard-I-of-N.journal, and the same command goes on from there.
#
# A shard knows its sources (by its journal) and its options (by its header). Where the command now asks for others, the shard is left
# as it is, what differs is said, and the status is 6; with --redo it is made again. Sources are compared by name, and those of the same
# name by length and, where they were changed since, by digest. `-- --retry failed` does those again that the journals call damaged or
# unreadable, in finished shards too.
#
#   --out DIR       where the shards go; not inside a SOURCE, unless in a hidden folder (.NAME)
#   --shards N      how many (default: the tasks of the Slurm array, else 16)
#   --jobs N        how many at a time on this machine, through GNU parallel (default: the processors)
#   --one I         only shard I, in this process
#   --redo          make shards again whose sources or options are others now
#
# In a Slurm array each task makes one shard, its own:
#
#   sbatch --array=0-63 --wrap 'vlrm corpus --out frames videos/'
#
# Exit status: 0 clean, 3 when some sources failed (the journals say which), else the worst of the shards'. A shard that failed is
# not there; the same command does it again.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
recipe_name=corpus

# want_number NAME VALUE: a whole number, in the decimal way of writing that bash takes for one, too.
want_number() {
    [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] || recipe_die "$1: expected a number, found $2" 2
}

out='' redo='' shards=${SLURM_ARRAY_TASK_COUNT:-16} jobs='' one=''
if [ -n "${SLURM_ARRAY_TASK_ID-}" ]; then
    want_number SLURM_ARRAY_TASK_ID "$SLURM_ARRAY_TASK_ID"
    want_number SLURM_ARRAY_TASK_MIN "${SLURM_ARRAY_TASK_MIN:-0}"
    one=$((SLURM_ARRAY_TASK_ID - ${SLURM_ARRAY_TASK_MIN:-0}))
fi
sources=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) recipe_help "${BASH_SOURCE[0]}"; exit ;;
    --redo) redo=yes ;;
    --out | --shards | --jobs | --one)
        [ $# -gt 1 ] || recipe_die "$1 needs a value" 2
        case $1 in --out) out=$2 ;; --shards) shards=$2 ;; --jobs) jobs=$2 ;; --one) one=$2 ;; esac
        shift
        ;;
    --) shift; break ;;
    -?*) recipe_die "unknown option $1; --help lists what there is (options of vlrm-extract come after --)" 2 ;;
    *) sources+=("$1") ;;
    esac
    shift
done
want_number --shards "$shards"
want_number --jobs "${jobs:-1}"
want_number --one "${one:-0}"
[ -n "$out" ] || recipe_die '--out DIR says where the shards go' 2
as_path out
[ ${#sources[@]} -gt 0 ] || recipe_die 'no SOURCE given' 2
[ "${one:-0}" -lt "$shards" ] || recipe_die "shard ${one:-0} of $shards: shards count from 0" 2
# Shards inside a SOURCE would be sources themselves, and while they come and go each process would count other shares. A folder
# whose name begins with a dot is skipped by vlrm-extract.
for source in "${sources[@]}"; do
    below=$(realpath -m --relative-to="$source" -- "$out")/
    if [ -d "$source" ] && [[ $below != ../* && /$below != */.[!./]* ]]; then
        recipe_die "--out $out lies in the source $source, whose files it would change; give another folder, or a hidden one (.NAME)" 2
    fi
done
mkdir -p -- "$out" || recipe_die "cannot make $out"

# Whether the last word of the journal $1 on each source is "complete".
journal_complete() {
    jq -en 'reduce inputs as $line ({}; .[$line.source] = $line.verdict) | all(. == "complete")' "$1" >/dev/null 2>&1
}

# What the making of a finished shard ended with, by its journal.
journal_status() {
    journal_complete "$1" && return
    [ -r "$1" ] || echo "vlrm corpus: no journal $1: whether all of the shard's sources were complete is not known" >&2
    return 3
}

# shard_differs STREAM JOURNAL PLAN: prints in a line what parts the shard from the plan (vlrm-extract --dry-run); nothing where
# nothing does. A shard that is not finished lacks sources, and what cannot be read of it parts nothing.
shard_differs() {
    local finished=true
    [[ $1 != *.writing ]] || finished=false
    [ -r "$2" ] || finished=false
    jq -rn --argjson finished "$finished" --slurpfile plan <(printf '%s\n' "$3") \
        --slurpfile made <(vlrm-cat -- "$1" 2>/dev/null | head -n 1 | jq -cR 'fromjson? | select(.vlrm)') \
        --slurpfile listed <(jq -cR 'fromjson? | .source // empty' "$2" 2>/dev/null) '
        def set: map({key: ., value: true}) | from_entries;
        # What says where things lie and how they are done leaves records as they are; lists are compared by what they name.
        (["dry-run", "journal", "resume", "retry", "append", "jobs", "threads", "deadline", "list", "coco", "zstd", "sandbox", "max-pixels", "max-bytes"] | set) as $harmless |
        def some(what): if length > 0 then "\(what) (\(length)): " + (.[:3] | join(", ")) + if length > 3 then ", .." else "" end else empty end;
        $plan[0].params as $now | ($made[0].params // {}) as $old | ($plan[1:] | map(.source)) as $sources |
        ($sources | set) as $wanted | ($listed | set) as $known |
        [($now | keys_unsorted[] as $k | select(($harmless[$k] | not) and ($old | has($k)) and $now[$k] != $old[$k]) |
            "--\($k) is \($now[$k] | tojson), was \($old[$k] | tojson)"),
         (if $finished and $now.limit == 0 then $sources | map(select($known[.] | not)) | some("new sources") else empty end),
         ($known | keys_unsorted | map(select($wanted[.] | not)) | some("sources gone")),
         ($plan[1:] | map(select(.changed) | .source) | some("changed sources"))] | join("; ")'
}

# Makes shard $1 in this process. What follows are options for vlrm-extract.
make_shard() {
    local shard=$1 name file journal writing lock status plan what retry extract
    name=$(printf 'shard-%05d-of-%05d' "$1" "$shards")
    shift
    file=$out/$name.vlrm journal=$out/$name.journal writing=$out/.$name.writing
    # --append drops what a killed run wrote past its journal, and goes on behind the rest.
    extract=(vlrm-extract --shard "$shard/$shards" --journal "$journal" --resume --append "$writing" "$@")
    exec {lock}>"$out/.$name.lock"
    flock -n "$lock" || recipe_die "$name is being made by another process"
    if [ -e "$file" ] || [ -s "$writing" ]; then
        plan=$("${extract[@]}" --dry-run -- "${sources[@]}" </dev/null) || return
        what=$(shard_differs "$([ -e "$file" ] && echo "$file" || echo "$writing")" "$journal" "$plan")
        if [ -n "$what" ] && [ -z "$redo" ]; then
            rm -f -- "$out/.$name.lock"
            recipe_die "$name was made otherwise: $what; --redo makes it again, another --out leaves it as it is" 6
        elif [ -n "$what" ]; then
            echo "vlrm corpus: $name is made again: $what" >&2
            rm -f -- "$file" "$writing" "$journal"
        fi
    fi
    if [ -e "$file" ]; then
        retry=$(jq -rn 'input.params.retry' <<<"$plan")
        if [ "$retry" != failed ] || [ ! -r "$journal" ] || journal_complete "$journal"; then
            rm -f -- "$out/.$name.lock"
            journal_status "$journal"
            return
        fi
        mv -- "$file" "$writing"
    fi
    setpriv --pdeathsig TERM -- "${extract[@]}" -- "${sources[@]}" </dev/null &
    shard_pid=$!
    trap 'kill -TERM "$shard_pid"' INT TERM HUP
    wait_for "$shard_pid"
    status=$?
    case $status in 0 | 3) mv -- "$writing" "$file" && rm -f -- "$out/.$name.lock" || status=1 ;; esac
    return "$status"
}

# One command a shard: this same recipe. Quoted here, so that parallel has nothing to replace in it.
shard_commands() {
    local shard
    for ((shard = 0; shard < shards; shard++)); do
        printf '%q ' exec setpriv --pdeathsig TERM -- "$BASH" "$stages_folder/corpus.sh" --out "$out" --shards "$shards" --one "$shard" \
            ${redo:+--redo} "${sources[@]}" -- "$@"
        echo
    done
}

# The verdict over all shards; parallel's log has the status of each in column 7, the signal in column 8.
corpus_status() {
    awk 'NR > 1 {status = $7 ? $7 : $8 ? 128 + $8 : 0; n[status]++; shards++}
         END {
             for (s in n) if (s != 0 && s != 3 && s != 4 && s > worst) worst = s
             exit worst ? worst : n[4] && n[4] == shards ? 4 : n[3] ? 3 : shards == 0
         }' "$1"
}

if [ -n "$one" ]; then
    make_shard "$one" "$@"
    exit
fi

# On a terminal, until it is stopped: how many shards and sources are done, and how long yet.
show_progress() {
    local of begun now shards_done sources_done text
    of=$(printf %05d "$shards")
    while sleep 1; do
        shards_done=$(find "$out" -maxdepth 1 -name "shard-*-of-$of.vlrm" | wc -l)
        sources_done=$(find "$out" -maxdepth 1 -name "shard-*-of-$of.journal" -exec cat -- {} + | wc -l)
        : "${begun:=$shards_done}"
        now=$((shards_done - begun)) text=''
        [ "$now" = 0 ] || text=", $(((shards - shards_done) * SECONDS / now)) s to go"
        printf '\r%s of %s shards, %s sources done%s \033[K' "$shards_done" "$shards" "$sources_done" "$text" >&2
    done
}

# parallel's log has no name while it is used: nothing is left of it, however this ends. (What a run killed here leaves, the next takes.)
exec {log_open}<>"$out/.parallel.log" || recipe_die "cannot write in $out"
rm -f -- "$out/.parallel.log"
log=/proc/$$/fd/$log_open
export PARALLEL_SHELL=$BASH
setpriv --pdeathsig KILL -- parallel --will-cite --jobs "${jobs:-$(processors)}" --joblog "$log" --termseq TERM,60000,KILL,25 < <(shard_commands "$@") &
parallel_pid=$!
progress_pid=
if [ -t 2 ]; then
    show_progress </dev/null &
    progress_pid=$!
fi
asked=
# The first SIGTERM makes parallel start no more, the second makes it end those that run.
trap 'asked=yes; kill -TERM "$parallel_pid"; sleep 0.2; kill -TERM "$parallel_pid" 2>/dev/null' INT TERM HUP
wait_for "$parallel_pid"
if [ -n "$progress_pid" ]; then
    kill "$progress_pid"
    wait_for "$progress_pid" 2>/dev/null
    printf '\r\033[K' >&2
fi
[ -z "$asked" ] || exit 75
corpus_status "$log" || exit
# A shard may be empty, a corpus not.
for journal in "$out/shard-"*"-of-$(printf %05d "$shards").journal"; do
    [ ! -s "$journal" ] || exit 0
done
recipe_die 'no source: nothing to extract from' 4
