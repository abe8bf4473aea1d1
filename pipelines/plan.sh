#!/bin/bash
# plan: say what a training would do and take, before anything is loaded: options and where they come from, parameters, memory, disk
#
# usage: vlrm plan --model MODEL --itm MODEL [options of vlrm train] [--tokens N] [--json] [-v]
#
# The same as vlrm train --dry-run. Nothing is computed and nothing written: shapes come from the headers of the checkpoints' files, and
# each stage adds up its own memory by running its code over kernels that compute nothing (STAGE --plan TOKENS, formats/plan.md), and
# times a sample of what it would compute, for half a second. Captions are taken to be as long as --max-new-tokens allows, or --tokens N:
# give what your captioner's mostly are (length.mean of a run's metrics), for the seconds and the update's memory go with it. "mapped" is shared by stages that read the same file, and can be given back by
# the kernel; "private" cannot. If all of it is more than the memory that is there now, it says which options need less.
# With -v also the options that have their defaults; --json prints one object (formats/plan.md).
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
case ${1-} in --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;; esac
exec "$BASH" "$stages_folder/train.sh" --dry-run "$@"
