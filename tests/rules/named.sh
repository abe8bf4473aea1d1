#!/bin/bash
# What doc/architecture.md and HACKING.md name exists: files, folders, patterns of them, and in `name()`-less form every function and
# type. README's table and tests/faults/jobs.py have every program, and no other.
. "$(dirname "$0")/common.bash"

# Paths: any word with a slash under a folder of the tree, as it stands or as a pattern; x and NAME are placeholders, <word> is a pattern.
grep -ohE '\b(lib|src|tests|formats|doc|world|pipelines|share)/[A-Za-z0-9_.*/-]+' <(sed -E 's/<[a-z]+>/*/g' HACKING.md doc/architecture.md) | sed 's/[.:]$//' | sort -u |
    while read -r path; do
        case $path in */x | */x/* | */vlrm-x* | */*NAME*) continue ;; esac
        compgen -G "$path" >/dev/null || [ -e "$path.c" ] || echo "$path" # .c: a test by the name of its program
    done | broken_lines 'named in a page for developers, and not there'

# Programs. A recipe in jobs.py is `vlrm NAME`.
programs=$(for file in src/*/vlrm-*.c world/vlrm-*.c; do basename "$file" .c; done | sort)
[ "$(wc -l <<<"$programs")" -ge 15 ] || broken "src and world have fewer programs than there were: $programs"
# shellcheck disable=SC2016 # backticks are meant
diff <(sed -nE 's/^\| `(vlrm-[a-z-]+)` \|.*/\1/p' README.md | sort) <(echo "$programs") | grep '^[<>]' |
    broken_lines "README.md's table of programs (<) against the programs there are (>)"
diff <(sed -nE 's/^UPDATE = "(vlrm-[a-z-]+) .*|^EXTRACT = "(vlrm-[a-z-]+) .*|^EVAL = "(vlrm-[a-z-]+) .*|^    Job\("[^"]*", "(vlrm-[a-z-]+)[ "].*/\1\2\3\4/p' tests/faults/jobs.py | sort -u) \
    <(echo "$programs") | grep '^[<>]' | broken_lines "programs in tests/faults/jobs.py (<) against the programs there are (>)"

# Functions: what stands in backticks and has an underscore.
# shellcheck disable=SC2016 # backticks are meant
grep -ohE '`[a-z][a-z0-9]*(_[a-z0-9]+)+`' HACKING.md doc/architecture.md doc/glossary.md | tr -d "\`" | grep -v "^x_" | sort -u |
    while read -r name; do
        git grep -qwI --untracked -- "$name" lib src tests formats || echo "$name"
    done | broken_lines 'named in a page for developers, and no such function'
rule_end
