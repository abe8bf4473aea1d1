#!/bin/bash
# Every function that a header declares has its contract: a comment in its paragraph, or behind it, or one right before its paragraph.
. "$(dirname "$0")/common.bash"

tree 'lib/*.h' 'src/*.h' 'world/*.h' | grep -v '^lib/tensor/cpu/vec/' | while read -r header; do
    awk -v file="$header" '
        function close_paragraph() {
            if (declared != "" && !told && !before) print file ": " declared
            before = lines > 0 && only_comment; declared = ""; told = 0; lines = 0; only_comment = 1
        }
        BEGIN { only_comment = 1 }
        /^$/ { close_paragraph(); next }
        { lines++; comment = inside || /\/\*/; if (/\/\*/) inside = 1; if (/\*\//) inside = 0; if (comment) told = 1; else only_comment = 0 }
        !comment && /^[A-Za-z].*[a-z0-9_]\(.*(\)|,)/ && !/^(typedef|static|#|return|extern const)/ && !/=/ { if (declared == "") { declared = $0 } }
        END { close_paragraph() }' "$header"
done | broken_lines 'declared without a contract'
rule_end
