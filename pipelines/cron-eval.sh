#!/bin/bash
# cron-eval: evaluate every new policy of a run once; history, plot and page; says nothing unless a metric fell
#
# usage: vlrm cron-eval --run RUN --frames FILE --model DIR --clip DIR [options]
#
#   --run [NAME=]RUN   a run folder; given again, further runs beside it (VLRM-RS=runs/rs). Names: letters, digits, . _ - (not first)
#   --frames FILE      the frames to caption: a stream that vlrm-extract has written
#   --out DIR          where all of it goes (default: RUN/eval of the first run)
#   --max-drop X       how much mrr or an R@K may fall from one step to the next (default 0.005)
#   --images N         images on the page (default 24)
#   --greedy           greedy captions (default: the paper's beams)
#
# Every other option is vlrm-eval's, as --name=value. In DIR: history.sqlite (table eval: run, step, metric, mean, low, high; step
# -1 is the captioner before training), metrics.svg, index.html (vlrm report), NAME/step-N.{vlrm,json,jsonl}. A step that is in the history is
# never evaluated again; a second cron-eval on the same DIR ends at once. Exit status 7, and one line, when a metric fell; a fall
# that could not be said (killed before) is said by the next cron-eval.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
recipe_name=cron-eval
recipes=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
names=() runs=() options=() frames='' model='' out='' drop=0.005 images=24

# What the next run is called where it is given no name.
run_name() {
    if [ "${#runs[@]}" = 0 ]; then echo VLRM; else echo "run${#runs[@]}"; fi
}

while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;;
    --run | --frames | --model | --out | --max-drop | --images | --clip | --itm)
        [ $# -gt 1 ] || recipe_die "$1 needs a value" 2
        set -- "$1=$2" "${@:3}"
        continue
        ;;
    --run=*=*) # what stands before the = is a name, unless it is part of a path
        name=${1#--run=}
        case ${name%%=*} in
        */*) names+=("$(run_name)"); runs+=("$name") ;;
        *) names+=("${name%%=*}"); runs+=("${name#*=}") ;;
        esac
        ;;
    --run=*) names+=("$(run_name)"); runs+=("${1#*=}") ;;
    --frames=*) frames=${1#*=} ;;
    --model=*) model=${1#*=} ;;
    --out=*) out=${1#*=} ;;
    --max-drop=*) drop=${1#*=} ;;
    --images=*) images=${1#*=} ;;
    *) options+=("$1") ;;
    esac
    shift
done
[ "${#runs[@]}" -gt 0 ] || recipe_die '--run is required' 2
[ -n "$model" ] || recipe_die '--model is required' 2
as_path frames
[ -r "$frames" ] || recipe_die "--frames: cannot read ${frames:-nothing}" 2
# A run's name is that of its folder in DIR: it may be nothing else there, and nothing outside. Such a name also stands in SQL.
declare -A named=()
for name in "${names[@]}"; do
    [[ $name =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ ]] || recipe_die "--run: '$name' is not a name: letters, digits, . _ -, and none of . - first" 2
    case $name in base | cache | lock | history.* | metrics.svg | index.html | *.writing | *.dat)
        recipe_die "--run: '$name' is what another file in --out is called; give another name" 2 ;;
    esac
    [ -z "${named[$name]-}" ] || recipe_die "--run: two runs are called $name; give each a name of its own, NAME=RUN" 2
    named[$name]=yes
done
for tool in sqlite3 gnuplot jq; do command -v "$tool" >/dev/null || recipe_die "$tool is not installed"; done
for run in "${runs[@]}"; do
    [ -d "$run/policy" ] || recipe_die "$run: no run folder (it has no policy/)"
    ls -- "$run/policy" >/dev/null || recipe_die "$run/policy: cannot be read; what is in it is not known"
done

out=${out:-${runs[0]}/eval}
as_path out
mkdir -p -- "$out" || recipe_die "cannot make $out"
exec {lock}>"$out/lock" || recipe_die "cannot write in $out"
flock -n "$lock" || exit 0 # the one before is at work still

history() {
    sqlite3 -bail -cmd '.timeout 60000' "$out/history.sqlite" "$@"
}
history <"$recipes/cron-eval.sql" || recipe_die "cannot write $out/history.sqlite"
# Where a step has a clipscore and no cosine, the history is of before the cosine was called so.
renamed=$(history "UPDATE eval SET metric = 'cosine' WHERE metric = 'clipscore' AND NOT EXISTS
    (SELECT 1 FROM eval AS other WHERE other.run = eval.run AND other.step = eval.step AND other.metric = 'cosine'); SELECT changes()") ||
    recipe_die "cannot write $out/history.sqlite"
[ "$renamed" = 0 ] || echo "vlrm cron-eval: $out/history.sqlite is of before cosine had its name: clipscore of $renamed steps is cosine now" >&2

# record NAME STEP REPORT SAID: all metrics of one report, and that one fell unless SAID is empty, in one transaction.
record() {
    jq -r --arg run "$1" --arg step "$2" --arg said "$4" -f "$recipes/cron-eval-record.jq" "$3" | history
}

# However it ends: says what fell and has not been said, and forgets it once said.
say_falls() {
    local status=$? falls
    falls=$(history "SELECT group_concat(run || ' step ' || step || ': ' || said, '; ') FROM (SELECT * FROM fell ORDER BY run, step)")
    if [ -n "$falls" ]; then
        echo "vlrm cron-eval: $falls" >&2
        history 'DELETE FROM fell'
        [ "$status" != 0 ] || status=7
    fi
    exit "$status"
}
trap say_falls EXIT

# evaluate NAME STEP POLICY BASELINE: once. POLICY and BASELINE may be empty.
evaluate() {
    local folder=$out/$1 file=$out/$1/step-$2 arguments=() said status=0
    mkdir -p -- "$folder" || recipe_die "cannot make $folder"
    [ -z "$3" ] || arguments+=("--policy=$3")
    [ -z "$4" ] || arguments+=("--baseline=$4" "--max-drop=$drop")
    said=$("$BASH" "$recipes/evaluate.sh" --model="$model" --frames="$frames" --captions="$file.vlrm" --per-image="$file.jsonl" \
        --output="$file.json" --cache="$out/cache" "${arguments[@]}" "${options[@]}" {lock}>&- 2>&1) || status=$?
    case $status in
    0) said='' ;;
    7) ;;
    *) printf '%s\n' "$said" >&2; recipe_die "$1 step $2 could not be evaluated" "$status" ;;
    esac
    record "$1" "$2" "$file.json" "$said" || recipe_die "cannot write $out/history.sqlite"
}

# evaluate_run NAME RUN: what is new of a run, in order of steps.
evaluate_run() {
    local digits step before=$out/base/step--1.jsonl
    while read -r step digits; do
        if [ "$(history "SELECT count(*) FROM eval WHERE run = '$1' AND step = $step")" = 0 ]; then
            evaluate "$1" "$step" "$2/policy/step-$digits" "$before"
        fi
        [ ! -e "$out/$1/step-$step.jsonl" ] || before=$out/$1/step-$step.jsonl
    done < <(for folder in "$2"/policy/step-*; do
        [[ $folder =~ /step-([0-9]{1,15})$ ]] && echo "$((10#${BASH_REMATCH[1]})) ${BASH_REMATCH[1]}"
    done | sort -n)
}

# Recall over steps, a line for each metric of each run. gnuplot works in DIR: the only names that it reads are those of runs.
plot() {
    local name lines=() metric
    for name in "${names[@]}"; do
        for metric in mrr r@1 cosine; do
            history -separator ' ' "SELECT step, mean, low, high FROM eval WHERE run = '$name' AND metric = '$metric' ORDER BY step" >"$out/$name/$metric.dat"
            [ ! -s "$out/$name/$metric.dat" ] || lines+=("'$name/$metric.dat' using 1:2:3:4 with yerrorlines title '$name $metric' noenhanced")
        done
    done
    [ "${#lines[@]}" -gt 0 ] || return 0
    {
        printf "set terminal svg size 900,500\nset output 'metrics.svg.writing'\nset xlabel 'step'\nset key outside\nset grid\nplot "
        local IFS=,
        echo "${lines[*]}"
    } | (cd -- "$out" && exec gnuplot) && mv -f -- "$out/metrics.svg.writing" "$out/metrics.svg"
}

# The page: every run side by side, with all that has been evaluated.
page() {
    local i operands=()
    for i in "${!names[@]}"; do operands+=("${names[$i]}=${runs[$i]}"); done
    vlrm-report --compare --eval="$out" --frames="$frames" --model="$model" --images="$images" --output="$out/index.html" -- "${operands[@]}"
}

if [ "$(history "SELECT count(*) FROM eval WHERE run = 'base'")" = 0 ]; then
    evaluate base -1 '' ''
fi
for i in "${!runs[@]}"; do evaluate_run "${names[$i]}" "${runs[$i]}"; done
for name in "${names[@]}"; do mkdir -p -- "$out/$name"; done
plot || recipe_die 'the plot could not be drawn'
page || recipe_die 'the page could not be written'
