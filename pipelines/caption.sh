#!/bin/bash
# caption: a caption for every image, and for every frame of a video, as JSON lines
#
# usage: vlrm caption --model DIR [options] SOURCE...
#
# SOURCE is what vlrm-extract takes: a folder of images or videos, files, shards; - for one file on stdin. Options are those of
# vlrm-extract and vlrm-rollout: --policy RUN/policy/latest captions with a trained policy, --max 1 takes one frame of every
# video, --sample --num-return 3 gives three captions of each. One line a caption: {"id": .., "caption": ..}; on a terminal
# its id and text. Exit status 3: some frames have none.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh"
recipe_name=caption
extract=() rollout=() sources=()

usage() {
    echo "vlrm caption: $1; see vlrm caption --help" >&2
    exit 2
}

# Hands the option at the front to each program that knows it. Returns how many words it has.
take_option() {
    local name=${1#--} taken=1 program kind known=0
    name=${name%%=*}
    for program in extract rollout; do
        local -n list=$program
        kind=${takes["vlrm-$program $name"]-}
        [ -n "$kind" ] || [[ $name != no-* ]] || kind=${takes["vlrm-$program ${name#no-}"]-}
        [ -n "$kind" ] || continue
        known=1
        list+=("$1")
        if [ "$kind" = 0 ] || [[ $1 = *=* ]]; then continue; fi
        [ $# -gt 1 ] || usage "$1 needs a value"
        list+=("$2")
        taken=2
    done
    [ "$known" = 1 ] || usage "no stage has an option --$name"
    return "$taken"
}

case ${1-} in --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;; esac
options_read vlrm-extract vlrm-rollout
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;;
    --append | --append=* | --status-file | --status-file=* | --zstd | --zstd=*) usage "$1 has no use here" ;;
    --) shift; sources+=("$@"); break ;;
    -m) shift; set -- --model "$@"; continue ;;
    -j) shift; set -- --jobs "$@"; continue ;;
    -v | --verbose) extract+=(-v) rollout+=(-v) ;;
    --?*) take_option "$@" || shift $(($? - 1)) ;; # it returns 1 or 2
    -?*) usage "no option $1" ;;
    *) sources+=("$1") ;;
    esac
    shift
done
[ "${#sources[@]}" -gt 0 ] || [[ " ${extract[*]-} " = *' --list'* || " ${extract[*]-} " = *' --coco'* ]] || usage "which images or videos?"

# A record's id and text alone, of the lines of vlrm-cat; a record without caption has none.
# shellcheck disable=SC2016 # it is the stage's shell that reads this
lines='vlrm-cat --fields id,caption.text | sed -nE '"'"'s/^(\{"id": ".*"), "caption": \{"text": (".*")\}\}$/\1, "caption": \2}/p'"'"'
    statuses=("${PIPESTATUS[@]}")
    [ "${statuses[0]}" = 0 ] || exit "${statuses[0]}"
    case ${statuses[1]} in 0 | 141) ;; *) exit 1 ;; esac'

# On a terminal a line is for people: what commands a terminal is shown as "?".
# shellcheck disable=SC2016
if [ -t 1 ]; then
    lines='set -o pipefail
        vlrm-cat --fields id,caption.text | jq -r --unbuffered '"'"'select(.caption) | "\(.id)  \(.caption.text)" | gsub("[[:cntrl:]]"; "?")'"'"
fi

temporary_folder caption
stages_begin caption "$folder"
stage extract 1 vlrm-extract "${extract[@]}" -- "${sources[@]}"
stage rollout all vlrm-rollout "${rollout[@]}"
stage lines 1 bash -c "$lines"
# shellcheck disable=SC2119
stages_run
status=$?
if [ "$status" = 0 ]; then rm -rf -- "$folder"; else temporary_folder_end; fi
exit "$status"
