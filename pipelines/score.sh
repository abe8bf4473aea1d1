#!/bin/bash
# score: add a reward of your own to a stream: a Python function, or a judge behind an OpenAI-compatible server
#
# usage: vlrm score FILE.py [--weight W] [--name NAME] < rewarded.vlrm > scored.vlrm
#        vlrm score URL [--model NAME] [--prompt TEXT] [--image] [--timeout SECONDS] [--weight W] [--name NAME] < ..
#
# FILE.py has a function reward(record), which gets each record as a dictionary (formats/envelope.md) and returns a number. A judge is
# asked at URL/chat/completions (URL: http://127.0.0.1:8000/v1) with the prompt, in which {caption} is the caption's text, and with
# --image the picture; the first number of its answer is the reward. W times it (1) is added to every return, and it is kept as
# reward.parts.NAME (the file's name, or judge). Put it behind vlrm-reward: --recombine and --standardise know nothing of it.
#
# Records are written as they come, so it may stand in a pipe that trains: `vlrm train --score FILE.py` or URL, with --score-weight W.
# A record whose reward cannot be had is said, counted and goes on without rewards (exit 3). Needs python3-msgpack, python3-zstandard
# and python3-xxhash.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
case ${1-} in -h | --help) recipe_help "${BASH_SOURCE[0]}"; exit ;; esac
PYTHONDONTWRITEBYTECODE=1 exec "${VLRM_PYTHON:-/usr/bin/python3}" "$stages_folder/score.py" "$@"
