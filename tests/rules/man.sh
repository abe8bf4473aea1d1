#!/bin/bash
# Each program's manual page is the one that its option table makes (make man), and --help, --version and wrong usage behave alike
# in all of them.
. "$(dirname "$0")/common.bash"

for source in src/*/vlrm-*.c world/vlrm-*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    program=bin/$name page=doc/$name.1
    [ -x "$program" ] || { broken "$program is not built"; continue; }
    help=$("$program" --help </dev/null) || broken "$name --help ends with status $?"
    [ "$("$program" -h </dev/null)" = "$help" ] || broken "$name -h is not $name --help"
    grep -q "^usage: $name" <<<"$help" || broken "$name --help does not begin with its usage"
    [[ $("$program" --version </dev/null) == "$name "* ]] || broken "$name --version does not name it"
    "$program" --no-such-option </dev/null >/dev/null 2>&1
    [ $? = 2 ] || broken "$name --no-such-option does not end with status 2"
    if [ -e "$page" ]; then
        diff -u "$page" <("$program" --help-man </dev/null) || broken "$page is not what $name --help-man prints: run make man"
    else
        broken "$page is missing: run make man"
    fi
done
for page in doc/vlrm-*.1; do
    [ ! -e "$page" ] || [ -e "bin/$(basename "$page" .1)" ] || broken "$page documents no program"
done
rule_end
