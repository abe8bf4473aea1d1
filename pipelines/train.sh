#!/bin/bash
# train: reinforce a captioner on videos and images: extract | rollout | reward | update, in one run folder
#
# usage: vlrm train --run RUN --model DIR --itm DIR [options] SOURCE...
#
# SOURCE is what vlrm-extract takes: videos, images, folders, shards. Every option of vlrm-extract, vlrm-rollout, vlrm-reward and
# vlrm-update may be given; it goes to those programs that know it (VLRM_* in the environment works too). Set by the recipe unless
# given: --batch 4096 (captions per step), one frame at random of every video (--max 1 --pick random), --loop where --max-steps
# says when to end; and always: --sample, --policy RUN/policy, --features (not with --train lora-vision).
#
# The run folder: config.json (every option of vlrm-update, the models, the stages before it), train.json (what was given here),
# logs/STAGE.log, metrics.jsonl, policy/, state/. The metrics are also printed, a line for each step. Killed or interrupted at any
# moment, the same command goes on from the last complete step, to the same parameters; with an option that changes numbers, another
# model or another list it is refused (exit 6), unless --change-options. When a stage fails the others are stopped, and the recipe
# ends with that stage's exit status.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh"
recipe_name=train
programs=(vlrm-extract vlrm-rollout vlrm-reward vlrm-update)

# What was given, by name: as JSON; as it stands, the last one; and how often.
declare -A given=() plain=() times=()
names=() sources=() verbose=()

# json_text TEXT: as a JSON string; one that is no UTF-8 as {"$str": base64}, which the programs take back (formats/envelope.md).
json_text() {
    local LC_ALL=C text=$1 code character # by bytes
    if [[ $text = *[$'\x80'-$'\xff']* ]] && ! iconv -f UTF-8 -t UTF-8 <<<"$text" >/dev/null 2>&1; then
        # shellcheck disable=SC2016 # a key of that name
        printf '{"$str": "%s"}' "$(printf %s "$text" | base64 -w 0)"
        return
    fi
    text=${text//\\/\\\\} text=${text//\"/\\\"}
    for code in {1..31}; do
        printf -v character '%b' "\\x$(printf %x "$code")"
        case $text in *"$character"*) text=${text//"$character"/$(printf '\\u%04x' "$code")} ;; esac
    done
    printf '"%s"' "$text"
}

# option NAME JSON [TEXT]: keeps it; an option given again becomes a list, of which single values take the last.
option() {
    local variable=VLRM_${1//-/_}
    unset "${variable^^}" # what is given here is stronger than the environment, train.json would be weaker
    plain[$1]=${3-$2} times[$1]=$((${times[$1]-0} + 1))
    if [ "${times[$1]}" = 1 ]; then
        names+=("$1")
        given[$1]=$2
    else
        given[$1]+=", $2"
    fi
}

# option_text NAME TEXT
option_text() {
    option "$1" "$(json_text "$2")" "$2"
}

# option_default NAME JSON: unless it was given here or in the environment.
option_default() {
    local variable=VLRM_${1//-/_}
    variable=${variable^^}
    [ -n "${given[$1]-}" ] || [ -n "${!variable+x}" ] || option "$1" "$2"
}

usage() {
    echo "vlrm train: $1; see vlrm train --help" >&2
    exit 2
}

# Reads the command line into names, given and sources.
parse() {
    local name
    while [ $# -gt 0 ]; do
        case $1 in
        --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;;
        --config | --config=*) usage "--config is what the recipe gives its stages: give the options themselves" ;;
        --verbose | -v) verbose=(-v); shift; continue ;;
        --) shift; sources+=("$@"); return ;;
        --*) name=${1#--} ;;
        -?) name=${letters[${1#-}]-${1#-}} ;;
        -*) usage "no option $1" ;;
        *) sources+=("$1"); shift; continue ;;
        esac
        case $name in
        resume | append | append=* | prepare | replay | replay=* | count | recombine | policy | policy=*) usage "--${name%%=*} has no use in training" ;;
        esac
        if [ "${takes[${name%%=*}]-}" = 1 ] && [[ $name = *=* ]]; then
            option_text "${name%%=*}" "${name#*=}"
        elif [ "${takes[$name]-}" = 1 ]; then
            [ $# -gt 1 ] || usage "--$name needs a value"
            option_text "$name" "$2"
            shift
        elif [ "${takes[$name]-}" = 0 ]; then
            option "$name" true
        elif [[ $name = no-* ]] && [ "${takes[${name#no-}]-}" = 0 ]; then
            option "${name#no-}" false
        else
            usage "no stage has an option --$name"
        fi
        shift
    done
}

# Writes what was given to the file $1: one JSON object of options by name, and the sources.
write_config() {
    local name separator=''
    {
        printf '{'
        for name in "${names[@]}"; do
            printf '%s\n "%s": ' "$separator" "$name"
            if [ "${times[$name]}" = 1 ]; then printf '%s' "${given[$name]}"; else printf '[%s]' "${given[$name]}"; fi
            separator=,
        done
        printf '%s\n "sources": [' "$separator"
        separator=''
        for name in "${sources[@]}"; do
            printf '%s' "$separator"
            json_text "$name"
            separator=', '
        done
        printf ']\n}\n'
    } >"$1" || recipe_die "cannot write $1"
}

# The run takes these options: $1 becomes RUN/train.json. Says so when they are others than before.
keep_config() {
    rm -f -- "$run/train.json.before"
    if [ -e "$run/train.json" ] && ! cmp -s "$1" "$run/train.json"; then
        echo "vlrm train: options are not those that this run was started with before: see $run/train.json" >&2
        cp -- "$run/train.json" "$run/train.json.before" || recipe_die "cannot write $run/train.json.before"
    fi
    sync -- "$1"
    mv -f -- "$1" "$run/train.json" || recipe_die "cannot write $run/train.json"
}

# Ends with status $1. Options that were refused (6) are none of the run's: train.json is again what it was.
end_run() {
    if [ "$1" = 6 ] && [ -e "$run/train.json.before" ]; then mv -f -- "$run/train.json.before" "$run/train.json"; fi
    rm -f -- "$run/train.json.before"
    exit "$1"
}

# value_of NAME: sets `value` to that of a text option, from the command line or the environment; empty where there is none.
value_of() {
    local variable=VLRM_${1//-/_}
    variable=${variable^^}
    value=${plain[$1]-${!variable-}}
}

# has NAME: whether the option has a value.
has() {
    value_of "$1"
    [ -n "$value" ]
}

case ${1-} in --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;; esac
options_read "${programs[@]}"
parse "$@"
has run || usage "--run is required"
run=$value
as_path run
has model || usage "--model is required"
[ "${#sources[@]}" -gt 0 ] || has list || has coco || usage "which videos or images?"
option_default batch '"4096"'
option_default max '"1"'
option_default pick '"random"'
if has max-steps; then option_default loop true; fi
features=--features
value_of train
case ${given[train]-$value} in *lora-vision*) features=--no-features ;; esac

stages_begin train "$run"
write_config "$run/train.json.starting"
stage prepare all vlrm-update --config="$run/train.json.starting" "${verbose[@]}" --run="$run" --batch 0 --prepare
# shellcheck disable=SC2119 # without a file: nothing is printed but by the last stage
stages_run </dev/null || exit
keep_config "$run/train.json.starting"
config=(--config="$run/train.json" "${verbose[@]}")
stage extract 1 vlrm-extract "${config[@]}" -- "${sources[@]}"
stage rollout all vlrm-rollout "${config[@]}" --sample "$features" --policy="$run/policy"
stage reward all vlrm-reward "${config[@]}" --batch 0
stage update all vlrm-update "${config[@]}" --run="$run" --batch 0
# shellcheck disable=SC2119
stages_run
end_run $?
