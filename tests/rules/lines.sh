#!/bin/bash
# Prints how long things are, and keeps files short: one over 500 lines needs a line in lines.known, which is sorted and names no
# file that is short again.
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
rule_end
