#!/bin/bash
# train: reinforce a captioner on videos and images: extract | rollout | reward | update, in one run folder
#
# usage: vlrm train --run RUN --model MODEL --itm MODEL [options] SOURCE...
#        vlrm train --run RUN --recipe vlrm|vlrm-rs|NAME.json [options] SOURCE...
#
# SOURCE is what vlrm-extract takes: videos, images, folders, shards. Every option of vlrm-extract, vlrm-rollout, vlrm-reward and
# vlrm-update may be given; it goes to those programs that know it (VLRM_* in the environment works too). Set by the recipe unless
# given: --batch 4096 (captions per step), one frame at random of every video (--max 1 --pick random), --loop where --max-steps
# says when to end, with --baseline rloo or group --num-return 8 (captions of an image, which are compared), with --baseline greedy
# --greedy-baseline; --score FILE.py or URL adds a reward of your own, times --score-weight (vlrm score); and always: --sample, --policy RUN/policy, --features (not with --train lora-vision).
#
# SOURCE may be a shard that vlrm corpus has made (.vlrm), or a folder of such: they are read once, and no option of vlrm-extract has
# a part in it.
#
# Several ranks: mpirun -n 4 vlrm train ... (or srun --mpi=pmix) is one training by four pipes, each of which captions and learns from
# its part of every batch, to the same parameters, bit for bit, on any number of them. --batch stays the whole batch. All read the
# same shards or images; videos are refused, for one that cannot be read somewhere would shift all batches: vlrm corpus makes shards of
# them. The run folder must be the same for all; that of rank R is RUN/ranks/R, with its logs. --device cuda is the GPU of the rank on its node.
#
# On a terminal it says what it is going to do, and shows a row for each step and warnings; `vlrm top RUN` shows more, anywhere.
# Elsewhere, and under mpirun, the metrics are printed as lines of JSON.
#
# --recipe takes the options of share/recipes/NAME.json, the paper's models and settings, or of a file of one's own (formats/recipe.md);
# --config FILE those of a JSON object of options by name, such as a run's train.json. The command line is stronger than the environment,
# that than --config, that than --recipe. --print-config prints the options that result, as --config takes them back, and ends; with
# -v also where each comes from.
#
# --filter 'COMMAND' puts a program of your own between reward and update: a shell's command that reads the rewarded records and
# writes them on, each batch at once (formats/reward.md has one in jq). It is stage "filter" in logs/ and messages.
#
# --dry-run (vlrm plan) says what it would do and take, and does nothing: options and where they come from, parameters, memory of each
# stage, disk, seconds of a step; --tokens N: of captions so long, --json: in JSON (formats/plan.md).
#
# The run folder: config.json (every option of vlrm-update, the models, the stages before it), train.json (what was given here),
# logs/STAGE.log, metrics.jsonl, policy/, state/. The metrics are also printed, a line for each step. Killed or interrupted at any
# moment, the same command goes on from the last complete step, to the same parameters; with an option that changes numbers, another
# model or another list it is refused (exit 6), unless --change-options. When a stage fails the others are stopped, and the recipe
# ends with that stage's exit status.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
. "$stages_folder/settings.sh" || exit 1
. "$stages_folder/dry-run.sh" || exit 1
recipe_name=train
programs=(vlrm-extract vlrm-rollout vlrm-reward vlrm-update)

verbose=()

usage() {
    settings_die "$1"
}

# settings_refused NAME: whether an option of a stage cannot be used here.
settings_refused() {
    case $1 in deal | defer | resume | append | status-file | prepare | plan | replay | count | recombine | policy) true ;; *) false ;; esac
}

# Reads the command line into entries, given and sources.
parse() {
    local name
    while [ $# -gt 0 ]; do
        case $1 in
        --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;;
        --config | --recipe | --tokens)
            [ $# -gt 1 ] || usage "$1 needs a value"
            set -- "$1=$2" "${@:3}"
            continue
            ;;
        --config=*) config_file=${1#*=}; shift; continue ;;
        --recipe=*) preset=${1#*=}; shift; continue ;;
        --print-config) print_config=yes; shift; continue ;;
        --dry-run) dry_run=yes; shift; continue ;;
        --json) plan_json=yes; shift; continue ;;
        --tokens=*) plan_tokens=${1#*=}; shift; continue ;;
        --verbose | -v) verbose=(-v); shift; continue ;;
        --) shift; sources+=("$@"); return ;;
        --*) name=${1#--} ;;
        -?) name=${letters[${1#-}]-${1#-}} ;;
        -*) usage "no option $1" ;;
        *) sources+=("$1"); shift; continue ;;
        esac
        settings_refused "${name%%=*}" && usage "--${name%%=*} cannot be used in training"
        if [ "${takes[${name%%=*}]-}" = 1 ] && [[ $name = *=* ]]; then
            option text "${name%%=*}" "${name#*=}"
        elif [ "${takes[$name]-}" = 1 ]; then
            [ $# -gt 1 ] || usage "--$name needs a value"
            option text "$name" "$2"
            shift
        elif [ "${takes[$name]-}" = 0 ]; then
            option json "$name" true
        elif [[ $name = no-* ]] && [ "${takes[${name#no-}]-}" = 0 ]; then
            option json "${name#no-}" false
        else
            usage "no stage has an option --$name"
        fi
        shift
    done
}

# Writes what was given to the file $1: one JSON object of options by name, and the sources.
write_config() {
    settings_json >"$1" || recipe_die "cannot write $1"
}

# Whether two files hold the same JSON.
same_json() {
    # shellcheck disable=SC2016 # jq's variables
    jq -en --slurpfile a "$1" --slurpfile b "$2" '$a == $b' >/dev/null 2>&1
}

# The streams in the folder $1, as vlrm corpus leaves them, into `streams`; false where there are none, or anything else.
streams_in() {
    local found
    mapfile -d '' -t found < <(find "$1" -maxdepth 1 -type f -name '*.vlrm' -not -name '.*' -print0 | sort -z)
    streams+=("${found[@]}")
    [ "${#found[@]}" -gt 0 ] && [ -z "$(find "$1" -mindepth 1 -not -name '*.vlrm' -not -name '*.journal' -not -path '*/.*' -print -quit)" ]
}

# Where all sources are streams, or folders of them, their files, into `streams`.
find_streams() {
    local source
    streams=()
    for source in "${sources[@]}"; do
        as_path source
        if [ -d "$source" ]; then
            streams_in "$source" || { streams=(); return; }
        elif [[ $source = *.vlrm ]]; then
            streams+=("$source")
        else
            streams=()
            return
        fi
    done
}

# A source that every rank reads alike: a shard, or images. Else says why not.
want_shards() {
    local source odd
    { has list || has coco; } && usage "several ranks take shards or images as sources, not --list or --coco"
    for source in "${sources[@]}"; do
        as_path source
        odd=$(find "$source" -type f -not -iregex '.*[.]\(tar\|vlrm\|journal\|jpe?g\|png\|webp\|json\|txt\)' -not -name '.*' -print -quit) || usage "no source $source"
        [ -z "$odd" ] || usage "several ranks take shards or images, and $odd is neither: one that cannot be read on some machine would shift all batches. Make shards: vlrm corpus --out shards $(printf '%q ' "${sources[@]}")"
    done
}

# What is about to learn together.
say_ranks() {
    local hosts=${OMPI_MCA_orte_num_nodes-${SLURM_STEP_NUM_NODES-}} batch
    value_of batch
    batch=$value
    value_of block
    [[ $batch =~ ^[0-9]+$ && ${value:-32} =~ ^[1-9][0-9]*$ ]] || return # its stage says what is wrong
    echo "vlrm train: $ranks ranks${hosts:+ on $hosts host$([ "$hosts" = 1 ] || echo s)}, $((batch / ranks))$([ $((batch % ranks)) = 0 ] || echo " or $((batch / ranks + 1))") captions each, blocks of ${value:-32}, integer sums" >&2
    [ $(((batch + ${value:-32} - 1) / ${value:-32})) -ge "$ranks" ] ||
        echo "vlrm train: there are fewer blocks than ranks: of $ranks only $(((batch + ${value:-32} - 1) / ${value:-32})) learn, unless --block is $((batch / ranks > 0 ? batch / ranks : 1))" >&2
}

# Of several ranks with --device cuda each takes a GPU of its node, in turn: its option, in `device`.
choose_device() {
    local gpus commas=${CUDA_VISIBLE_DEVICES-} own=${OMPI_COMM_WORLD_LOCAL_RANK-${SLURM_LOCALID-0}}
    device=()
    value_of device
    if [ "$ranks" = 1 ] || [ "$value" != cuda ]; then return; fi
    gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l)
    if [ -n "$commas" ]; then
        commas=${commas//[!,]/}
        gpus=$((${#commas} + 1))
    fi
    device=(--device="cuda:$((gpus > 0 ? own % gpus : 0))")
    echo "vlrm train, rank $rank on $(uname -n): ${device[*]}" >&2
}

# The run takes these options: $1 becomes RUN/train.json. Says so when they are others than before.
keep_config() {
    rm -f -- "$run/train.json.before"
    if [ -e "$run/train.json" ] && ! same_json "$1" "$run/train.json"; then
        echo "vlrm train: options are not those that this run was started with before: see $run/train.json" >&2
        cp -- "$run/train.json" "$run/train.json.before" || recipe_die "cannot write $run/train.json.before"
    fi
    sync -- "$1"
    mv -f -- "$1" "$run/train.json" || recipe_die "cannot write $run/train.json"
}

# Whether the shards, which are read once, had captions for all steps that were asked for, for whoever looks at the status alone.
say_short() {
    local step
    { [ "${#streams[@]}" -gt 0 ] && has max-steps; } || return
    step=$(readlink -- "$run/policy/latest")
    step=$((10#0${step#step-}))
    [ "$step" -ge "$value" ] || echo "vlrm train: the shards end after step $step, expected --max-steps $value: they are read once" >&2
}

# Ends with status $1. Options that were refused (6) are none of the run's: train.json is again what it was.
end_run() {
    if [ "$1" = 6 ] && [ -e "$run/train.json.before" ]; then mv -f -- "$run/train.json.before" "$run/train.json"; fi
    rm -f -- "$run/train.json.before"
    exit "$1"
}

# announce: what is going to happen, for who sits at the terminal.
announce() {
    local parameters step text='' name policy head
    parameters=$(sed -n 's/^vlrm-update: policy: \([0-9]*\) parameters, value: \([0-9]*\)$/\1 \2/p' "$run/logs/prepare.log" | tail -n 1)
    policy=${parameters% *} head=${parameters#* }
    step=$(readlink -- "$run/policy/latest")
    step=$((10#0${step#step-}))
    printf 'run folder    %q, %s\n' "$run" "$([ "$step" = 0 ] && echo new || echo "continues after step $step")"
    for name in model itm clip ref; do
        has "$name" || continue
        case $name in model) text=captioner ;; itm) text='scorer, ITM' ;; clip) text='scorer, CLIP' ;; ref) text=reference ;; esac
        printf '%-13s %q\n' "$text" "$value"
    done
    value_of train
    printf 'trains        %s: %s parameters, and %s of the value head and its adapters\n' "${value:-query,qformer,projection}" "$policy" "$head"
    value_of batch
    printf 'sources       %s; %s captions a step' "$(printf '%q ' "${sources[@]:0:5}" | sed 's/ $//')$([ "${#sources[@]}" -le 5 ] || echo " and $((${#sources[@]} - 5)) more")" "$value"
    if has max-steps; then printf ', up to step %s\n' "$value"; else printf ', once through\n'; fi
    value_of memory
    printf 'memory        of the update: %s MiB of parameters, gradients and moments, up to %s MiB of activations' "$((((policy + head) * 16 + 1048575) / 1048576))" "${value:-2048}"
    value_of spool-memory
    printf ', %s MiB of records; weights as they lie in their files, shared\n\n' "${value:-1024}"
}

ranks_read
case ${1-} in --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;; esac
options_read "${programs[@]}"
# shellcheck disable=SC2034 # parse reads it
takes[score]=1 takes[score-weight]=1 takes[filter]=1
config_file='' preset='' print_config='' dry_run='' plan_json='' plan_tokens=''
parse "$@"
[ -z "$config_file" ] || settings_file "$config_file" "$config_file"
[ -z "$preset" ] || settings_recipe "$preset"
option_default text batch 4096
option_default text max 1
option_default text pick random
value_of baseline
case $value in
rloo | group) option_default text num-return 8 ;;
greedy) option_default json greedy-baseline true ;;
esac
if has max-steps; then option_default json loop true; fi
if [ -n "$print_config" ]; then
    settings_print "${verbose[*]}"
    exit
fi
features=--features
value_of train
case ${given[train]-$value} in *lora-vision*) features=--no-features ;; esac
if [ -n "$dry_run" ]; then
    has model || usage "--model is required"
    dry_run
    exit
fi
[ -z "$plan_json$plan_tokens" ] || usage "--json and --tokens go with --dry-run"
has run || usage "--run is required"
run=$value
as_path run
has model || usage "--model is required"
[ "${#sources[@]}" -gt 0 ] || has list || has coco || usage "which videos or images?"
[ "$ranks" = 1 ] || want_shards
find_streams
own=$run # what is this rank's alone
[ "$rank" = 0 ] || own=$run/ranks/$rank
policies=$own
if [ "$rank" != 0 ] && has scratch; then policies=$value/$rank; fi

who=train
[ "$ranks" = 1 ] || who="train, rank $rank on $(uname -n)"
choose_device
stages_begin "$who" "$own"
rm -f -- "$own"/train.json.writing-???????? # the folder is ours: whoever left them has been killed
starting=$(recipe_temporary "$own/train.json") || recipe_die "cannot write in $own"
write_config "$starting"
if [ "$rank" = 0 ]; then
    stage prepare all vlrm-update --config="$starting" -v --run="$run" --batch 0 --prepare
    # shellcheck disable=SC2119 # without a file: nothing is printed but by the last stage
    stages_run </dev/null || { status=$?; rm -f -- "$starting"; exit "$status"; }
    keep_config "$starting"
    [ "$ranks" = 1 ] || say_ranks
    if on_terminal; then announce; fi
    stages_rows=yes
else
    # Its vlrm-update publishes anew what its vlrm-rollout waits for.
    rm -rf -- "$policies/policy"
    mkdir -p -- "$policies/policy" || recipe_die "cannot make $policies/policy"
    mv -f -- "$starting" "$own/train.json" || recipe_die "cannot write $own/train.json"
fi
config=(--config="$own/train.json" "${verbose[@]}")
if [ "${#streams[@]}" -gt 0 ]; then
    stage extract 1 vlrm-cat --to=stream -- "${streams[@]}"
else
    stage extract 1 vlrm-extract "${config[@]}" -- "${sources[@]}"
fi
deal=() defer=()
[ "$ranks" = 1 ] || deal=(--deal="$rank/$ranks") defer=(--defer)
stage rollout all vlrm-rollout "${config[@]}" --sample "$features" --policy="$policies/policy" "${deal[@]}" "${device[@]}"
stage reward all vlrm-reward "${config[@]}" --batch 0 "${defer[@]}" "${device[@]}"
if has score; then
    as_given=$value
    value_of score-weight
    stage score all "$BASH" "$stages_folder/score.sh" --weight="${value:-1}" -- "$as_given"
fi
if has filter; then stage filter all "$BASH" -o pipefail -c "$value"; fi
stage update all vlrm-update "${config[@]}" --run="$run" --batch 0 "${device[@]}"
# shellcheck disable=SC2119
stages_run
status=$?
[ "$rank" = 0 ] || exit "$status"
[ "$status" != 0 ] || say_short
end_run "$status"
