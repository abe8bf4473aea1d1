#!/bin/bash
# Subjects of commits: "area: what", at most 72 characters; since this rule is there.
. "$(dirname "$0")/common.bash"
first=$(git log --format=%H --diff-filter=A -- tests/rules/commits.sh 2>/dev/null | tail -n 1)
[ -n "$first" ] || { echo 'no history here'; exit 77; }
git log --no-merges --format='%h %s' "$first..HEAD" | awk 'length($0) - length($1) - 1 > 72 {print "over 72 characters: " $0} $2 !~ /^[A-Za-z.]/ || $0 !~ /: / {print "no area: " $0}' |
    broken_lines 'a subject'
rule_end
