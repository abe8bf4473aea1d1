#!/bin/bash
# scale: estimate what a training step costs on many GPUs, and what limits it
#
# usage: vlrm scale [--ranks 1,8,64,512] [TERM=VALUE ...]
#
# Prints a row for each number of ranks: captions of a rank; seconds of its own work; of waiting for the slowest, by a simulation of
# captions' lengths; of the sum of gradients; of the rest, which every step has whatever the ranks; the step; how many times as fast.
# The terms, in seconds, bytes and captions, are by default those of BLIP-2 OPT-2.7B on one kind of GPU (doc/scale.md says where each comes
# from, and how to measure one's own):
#
#   encode, reward, update       seconds of a caption of mean length
#   token, decode, weights       seconds of a step of sampling so many captions; the share of it that is there whatever their number
#   mean, deviation, longest     tokens of captions
#   batch, block                 captions of a step, and those whose gradients become integers together
#   convert, parameters          seconds of that for a block; parameters that are trained, of 8 bytes each in the sum
#   node, inside, between        GPUs of a machine; bytes a second of a rank's way within it, and of a machine's to the others
#   adam, policy, state, disk, every   seconds of the optimizer; bytes of policy and state, bytes a second of the disk, --checkpoint-every
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
case ${1-} in -h | --help) recipe_help "${BASH_SOURCE[0]}"; exit ;; esac
PYTHONDONTWRITEBYTECODE=1 exec "${VLRM_PYTHON:-/usr/bin/python3}" "$stages_folder/scale.py" "$@"
