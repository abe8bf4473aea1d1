#!/bin/bash
# Prints how long things are, and keeps files short: one over 500 lines needs a line in lines.known, which is sorted and names no
# file that is short again. And folders small: of one kind of source at most 25 files, then it is time for a room.
. "$(dirname "$0")/common.bash"
known=tests/rules/lines.known

sources() {
    tree '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.bash' '*.bats' '*.py' Makefile bin/vlrm
}
sources | xargs wc -l | awk '$2 != "total" {split($2, part, "/"); room = part[1] (part[1] ~ /lib|src|tests/ ? "/" part[2] : ""); n[room] += $1; all += $1}
    END {for (room in n) printf "%7d %s\n", n[room], room | "sort -k2"; close("sort -k2"); printf "%7d in all\n", all}'

long=$(sources | xargs wc -l | awk '$2 != "total" && $1 > 500 {print $2}' | sort)
sort -cu $known || broken "$known is not sorted"
comm -23 <(echo "$long") $known | grep . | broken_lines "over 500 lines: split it, or name it in $known"
comm -13 <(echo "$long") $known | grep . | broken_lines "named in $known, but not over 500 lines any more"

sources | sed -nE 's#^(.*)/[^/]*(\.[a-z]+)$#\1/*\2#p' | sort | uniq -c | awk '$1 > 25 {print $2 ": " $1 " files"}' |
    broken_lines 'a folder has at most 25 of a kind: make a room of those that belong together'
rule_end
