#!/bin/bash
# A file whose first line names its interpreter may be run, and no other file may.
. "$(dirname "$0")/common.bash"
named() {
    tree '*' | while read -r file; do
        [ "$(head -c 2 "$file" | tr -d '\0')" != '#!' ] || echo "$file"
    done
}
runnable() {
    tree '*' | while read -r file; do
        [ ! -x "$file" ] || echo "$file"
    done
}
comm -23 <(named | sort) <(runnable | sort) | broken_lines 'names its interpreter, but may not be run: chmod +x'
comm -13 <(named | sort) <(runnable | sort) | broken_lines 'may be run, but names no interpreter'
rule_end
