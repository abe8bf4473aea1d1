#!/bin/bash
# evaluate: caption images with a captioner or a policy of it, and measure the captions
#
# usage: vlrm evaluate --model DIR --clip DIR [options] [SOURCE...]
#
#   --model DIR       the captioner
#   --policy DIR      a policy of it: RUN/policy/step-NNNNNN (default: the captioner as it is)
#   --coco FILE       the images of COCO's own captions_val2014.json (or a Karpathy dataset_coco.json, with --split NAME) below
#                     --root DIR, and what people wrote of them as references, instead of SOURCE
#   --results FILE    the captions of a COCO result list, [{"image_id", "caption"}, ..], in place of a captioner's; an image without
#                     one, and one without an image, is named, and the status is 3
#   --frames FILE     a stream of frames that vlrm-extract has written, instead of SOURCE
#   --captions FILE   also keep the captions, as a stream
#   --greedy          greedy captions (default: the paper's beams)
#   --logs DIR        where the stages' logs go (default: a new folder, removed when all is well)
#
# Captions are of the centre crop, as in the paper (Table 3). SOURCE is what vlrm-extract takes. Every other option is vlrm-eval's
# and is given as --name=value: --clip, --itm, --cache, --per-image, --output, --baseline, --fail-below, --max-drop. The report
# goes to stdout, or to --output. Exit status 7: a check failed.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
recipe_name=evaluate
rollout=(--crop) extract=() eval=() sources=() frames='' captions='' logs='' results='' table=''
[ ! -t 1 ] || table=yes

while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;;
    --model | --policy | --frames | --captions | --logs | --clip | --itm | --coco | --root | --split | --results)
        [ $# -gt 1 ] || recipe_die "$1 needs a value" 2
        set -- "$1=$2" "${@:3}"
        continue
        ;;
    --model=* | --policy=* | --greedy) rollout+=("$1") ;;
    --coco=* | --root=* | --split=*) extract+=("$1") ;;
    --results=*) results=${1#*=} ;;
    --frames=*) frames=${1#*=} ;;
    --captions=*) captions=${1#*=} ;;
    --logs=*) logs=${1#*=} ;;
    --output=* | -o?*) table='' eval+=("$1") ;;
    --) shift; sources+=("$@"); break ;;
    -?*) eval+=("$1") ;;
    *) sources+=("$1") ;;
    esac
    shift
done
for name in frames captions logs results; do as_path "$name"; done
[ -n "$frames" ] || [ "${#sources[@]}" -gt 0 ] || [[ ${extract[*]-} = --coco=* || ${extract[*]-} = *' --coco='* ]] || recipe_die 'which images or videos? See vlrm evaluate --help' 2
[ -z "$frames" ] || [ "${#sources[@]}${#extract[@]}" = 00 ] || recipe_die '--frames takes the place of sources' 2
[ -z "$results" ] || [ "${rollout[*]}" = --crop ] || recipe_die '--results takes the place of a captioner: leave --model, --policy and --greedy out' 2
[ -z "$frames" ] || [ -r "$frames" ] || recipe_die "cannot read $frames"

if [ -n "$logs" ]; then folder=$logs; else temporary_folder evaluate; fi
stages_begin evaluate "$folder"
[ -z "$table" ] || eval+=(--table)
[ -n "$frames" ] || stage extract 1 vlrm-extract "${extract[@]}" -- "${sources[@]}"
if [ -n "$results" ]; then
    stage results 1 vlrm-cat --to=stream "--captions=$results" ${frames:+-- "$frames"}
else
    stage rollout all vlrm-rollout "${rollout[@]}" ${frames:+-- "$frames"}
fi
# A stream is kept under its name only once the evaluation has read all of it.
if [ -n "$captions" ]; then
    leftovers_remove "$captions"
    kept=$(recipe_temporary "$captions") || recipe_die "cannot write $captions"
    exec {kept_lock}<"$kept"
    flock -n "$kept_lock"
    stage keep 1 tee -- "$kept"
fi
stage eval all vlrm-eval "${eval[@]}"
# On a terminal the table comes once all is done: until then a line there says how far it is.
if [ -n "$table" ]; then
    # shellcheck disable=SC2119
    stages_run 2>"$folder/said" >"$folder/table"
    status=$?
    cat -- "$folder/table"
else
    # shellcheck disable=SC2119
    stages_run 2>"$folder/said"
    status=$?
fi
if [ -n "$captions" ]; then
    case $status in 0 | 3 | 7) mv -f -- "$kept" "$captions" ;; *) rm -f -- "$kept" ;; esac
fi
case $status in
0) ;;
7) sed -n 's/^vlrm-eval: //p' "$folder/logs/eval.log" | tail -n 1 >&2 ;;
*) cat "$folder/said" >&2 ;;
esac
if [ -z "$logs" ]; then
    case $status in 0 | 7) rm -rf -- "$folder" ;; *) temporary_folder_end ;; esac
fi
exit "$status"
