#!/bin/bash
# replay: take a kept step of a run again: its gradients, values and advantages; the run is not touched
#
# usage: vlrm replay RUN STEP [--out DIR] [options]
#
# STEP is the number of a step whose batch was kept with the state that it met: one of the last N with `vlrm train --keep-batches N`
# (RUN/batches), or one at which a metric left its limits (RUN/collapse). Without STEP, lists them. Written into DIR (default:
# replay): step-K.safetensors, the gradients before clamping, the parameters after the step, values, advantages and token probabilities,
# as vlrm-update --dump names them; step-K.vlrm, the batch with what the step made of each caption (formats/value.md). The step's
# metrics are printed. On the same kind of processor every bit is what the step computed. Options are those of vlrm-update: --model DIR
# where the captioner is no longer where it was, --threads N, --device cuda.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
recipe_name=replay
run='' step='' out=replay options=()

usage() {
    echo "vlrm replay: $1; see vlrm replay --help" >&2
    exit 2
}

# The steps that are kept, one a line.
steps() {
    local folder number
    for folder in "$run"/batches/step-*/ "$run"/collapse/step-*/; do
        folder=${folder%/} number=${folder##*/step-}
        [ ! -e "$folder/batch.vlrm" ] || [[ $number = *[!0-9]* ]] || echo $((10#$number))
    done | sort -nu
}

case ${1-} in
--help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;;
'' | -*) usage 'which run?' ;;
esac
run=$1
shift
[ -d "$run" ] || recipe_die "$run is not a folder" 1
if [ $# = 0 ]; then
    steps
    exit
fi
step=$1
shift
[[ $step != '' && $step != *[!0-9]* ]] || usage "STEP is a number, found $step"
while [ $# -gt 0 ]; do
    case $1 in
    --out) [ $# -gt 1 ] || usage '--out needs a value'; out=$2; shift ;;
    --out=*) out=${1#--out=} ;;
    *) options+=("$1") ;;
    esac
    shift
done
name=step-$(printf %06d $((10#$step))) kept=''
for folder in "$run/batches/$name" "$run/collapse/$name"; do
    [ ! -e "$folder/batch.vlrm" ] || kept=$folder
done
[ -n "$kept" ] || recipe_die "$run has no batch of step $step kept; kept: $(steps | tr '\n' ' ')(vlrm train --keep-batches N keeps the last N)"
mkdir -p -- "$out" || exit 1
exec vlrm-update --config "$kept/config.json" --replay "$kept" --dump "$out" --record "$out/step-$((10#$step)).vlrm" "${options[@]}"
