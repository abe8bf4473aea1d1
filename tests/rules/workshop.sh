#!/bin/bash
# Nothing unfinished is in the tree; tests can fail; fixtures stay small.
. "$(dirname "$0")/common.bash"
self=':!tests/rules/workshop.sh'

# absent REASON REGEX PATHSPEC...: no line matches.
absent() {
    local reason=$1 regex=$2
    shift 2
    git grep -nIE --untracked "$regex" -- "$@" "$self" | cut -c1-200 | broken_lines "$reason"
}
absent unfinished '\b(TO''DO|FIX''ME|X''XX|HA''CK)\b|not (yet )?implem''ented|\bst''ub(bed)?\b' '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.md' '*.bats' '*.py' Makefile bin/vlrm
absent 'a check that cannot fail' '\|\| (true|:)( |;|$)' tests .ci
absent 'waits and hopes' 'sleep [0-9]+ *;? *(#.*)?(wait|hope)' tests .ci

git ls-files -z -- . ':!share/tiny' | xargs -0 -r -I{} find {} -maxdepth 0 -size +2M | broken_lines 'larger than 2 MB'
models=$(git ls-files -z share/tiny | xargs -0 du -cb | awk 'END {print $1}')
[ "$models" -le 25165824 ] || broken "share/tiny holds $models bytes, more than 24 MB"
fixtures=$(git ls-files -z tests | xargs -0 du -cb | awk 'END {print $1}')
[ "$fixtures" -le 16777216 ] || broken "tests/ holds $fixtures bytes, more than 16 MB"
rule_end
