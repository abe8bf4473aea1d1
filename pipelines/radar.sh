#!/bin/bash
# radar: find phrases that a run's captions came to say for the reward alone
#
# usage: vlrm radar RUN --clip DIR [options]
#
#   --clip DIR        a CLIP that took no part in training: it judges whether captions with a phrase are nearer to their images
#   --captions FILE   a recording of the run (vlrm train --record FILE); may be given again. Default: the recording that RUN/config.json
#                     names, else the batches that the run has kept (vlrm train --keep-batches N)
#
# Every other option is vlrm-ngrams', as --name=value: --json, --list FILE (what the list of bad phrases lacks, in its format), --alarm SHARE
# (exit status 7 where a finding is in more than that share of the last captions: for cron).
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
recipe_name=radar
run='' clip='' captions=() options=()

while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;;
    --clip | --captions | --list | --alarm | --bad-phrases | --judged)
        [ $# -gt 1 ] || recipe_die "$1 needs a value" 2
        set -- "$1=$2" "${@:3}"
        continue
        ;;
    --clip=*) clip=${1#*=} ;;
    --captions=*) captions+=("${1#*=}") ;;
    --judged=*) recipe_die '--judged is what this recipe makes, by --clip' 2 ;;
    -?*) options+=("$1") ;;
    *) [ -z "$run" ] || recipe_die "one run at a time; found $run and $1" 2
        run=$1 ;;
    esac
    shift
done
[ -n "$run" ] || recipe_die 'which run? See vlrm radar --help' 2
[ -n "$clip" ] || recipe_die '--clip is required' 2
[ -e "$run/config.json" ] || recipe_die "$run: no run folder (it has no config.json)"

if [ "${#captions[@]}" = 0 ]; then
    record=$(jq -r '.record | strings' "$run/config.json") || recipe_die "$run/config.json cannot be read" 5
    [ -z "$record" ] || [ ! -r "$record" ] || captions=("$record")
fi
if [ "${#captions[@]}" = 0 ]; then
    for batch in "$run"/batches/step-*/batch.vlrm "$run"/collapse/step-*/batch.vlrm; do
        [ ! -r "$batch" ] || captions+=("$batch")
    done
fi
[ "${#captions[@]}" -gt 0 ] || recipe_die "$run has no recording and no kept batches: train with --record FILE or --keep-batches N, or give --captions FILE" 4
for i in "${!captions[@]}"; do
    file=${captions[$i]}
    as_path file
    [ -r "$file" ] || recipe_die "cannot read $file"
    captions[i]=$file
done

temporary_folder radar
exec {folder_lock}>"$folder/lock"
flock -n "$folder_lock"
trap 'rm -rf -- "$folder"' EXIT
vlrm-eval --clip="$clip" --bootstrap=0 --per-image="$folder/judged.jsonl" -- "${captions[@]}" >"$folder/report.json" || exit
vlrm-ngrams --judged="$folder/judged.jsonl" "${options[@]}" -- "${captions[@]}"
