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
# moment, the same command goes on from the last complete step, to the same parameters. When a stage fails the others are stopped,
# and the recipe ends with that stage's exit status.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh"
recipe_name=train
programs=(vlrm-extract vlrm-rollout vlrm-reward vlrm-update)

# What the programs' help says of their options: takes[NAME] is 1 when a value follows, letters[C] is the long name of -C.
declare -A takes=() letters=() given=()
names=() sources=() verbose=()

read_options() {
    local line program help pattern='^  (-([a-zA-Z]), |    )--([a-z0-9-]+)(\[=[^ ]*\]| [^ ]+)?( |$)'
    for program in "${programs[@]}"; do
        help=$("$program" --help) || recipe_die "cannot run $program"
        while IFS= read -r line; do
            [[ $line =~ $pattern ]] || continue
            case ${BASH_REMATCH[4]} in ' '?*) takes[${BASH_REMATCH[3]}]=1 ;; *) takes[${BASH_REMATCH[3]}]=0 ;; esac
            [ -z "${BASH_REMATCH[2]}" ] || letters[${BASH_REMATCH[2]}]=${BASH_REMATCH[3]}
        done <<<"$help"
    done
}

# json_text TEXT: as a JSON string.
json_text() {
    local text=$1 code character
    text=${text//\\/\\\\} text=${text//\"/\\\"}
    for code in {1..31}; do
        printf -v character '%b' "\\x$(printf %x "$code")"
        case $text in *"$character"*) text=${text//"$character"/$(printf '\\u%04x' "$code")} ;; esac
    done
    printf '"%s"' "$text"
}

# option NAME JSON: keeps it; an option given again becomes a list, of which single values take the last.
option() {
    local variable=VLRM_${1//-/_}
    unset "${variable^^}" # what is given here is stronger than the environment, train.json would be weaker
    if [ -z "${given[$1]-}" ]; then
        names+=("$1")
        given[$1]=$2
    else
        given[$1]+=", $2"
    fi
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
            option "${name%%=*}" "$(json_text "${name#*=}")"
        elif [ "${takes[$name]-}" = 1 ]; then
            [ $# -gt 1 ] || usage "--$name needs a value"
            option "$name" "$(json_text "$2")"
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
            case ${given[$name]} in *', '*) printf '[%s]' "${given[$name]}" ;; *) printf '%s' "${given[$name]}" ;; esac
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
    [ ! -e "$run/train.json" ] || cmp -s "$1" "$run/train.json" ||
        echo "vlrm train: options are not those that this run was started with before: see $run/train.json" >&2
    sync -- "$1"
    mv -f -- "$1" "$run/train.json" || recipe_die "cannot write $run/train.json"
}

# The value of a string option, from the command line or the environment, as JSON or plain text.
value_of() {
    local variable=VLRM_${1//-/_}
    variable=${variable^^}
    printf '%s' "${given[$1]-${!variable-}}"
}

case ${1-} in --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;; esac
read_options
parse "$@"
[ -n "$(value_of run)" ] || usage "--run is required"
[ -n "$(value_of model)" ] || usage "--model is required"
[ "${#sources[@]}" -gt 0 ] || [ -n "$(value_of list)$(value_of coco)" ] || usage "which videos or images?"

run=$(value_of run)
if [ -n "${given[run]-}" ]; then
    run=${run#\"} run=${run%\"} # a JSON string of no more than a path
    case $run in *[\\\"]*) usage "--run: give one folder, without quotes and backslashes in its name" ;; esac
fi
option_default batch '"4096"'
option_default max '"1"'
option_default pick '"random"'
[ -z "$(value_of max-steps)" ] || option_default loop true
features=--features
case $(value_of train) in *lora-vision*) features=--no-features ;; esac

stages_begin train "$run"
write_config "$run/train.json.starting"
stage prepare all vlrm-update --config "$run/train.json.starting" "${verbose[@]}" --run "$run" --batch 0 --prepare
# shellcheck disable=SC2119 # without a file: nothing is printed but by the last stage
stages_run </dev/null || exit
keep_config "$run/train.json.starting"
config=(--config "$run/train.json" "${verbose[@]}")
stage extract 1 vlrm-extract "${config[@]}" -- "${sources[@]}"
stage rollout all vlrm-rollout "${config[@]}" --sample "$features" --policy "$run/policy"
stage reward all vlrm-reward "${config[@]}" --batch 0
stage update all vlrm-update "${config[@]}" --run "$run" --batch 0
# shellcheck disable=SC2119
stages_run
