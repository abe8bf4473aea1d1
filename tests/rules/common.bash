# What the rules share. Source it first: it goes to the root of the tree.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# A file, because a rule often finds what breaks it at the end of a pipe.
rule_failures=$(mktemp)
trap 'rm -f "$rule_failures"' EXIT

# tree PATTERN...: the tree's files that match, tracked or about to be.
tree() {
    git ls-files -co --exclude-standard -- "$@" 2>/dev/null | sort -u | while read -r file; do [ -e "$file" ] && echo "$file"; done
}

# broken TEXT...: say what breaks the rule, and go on.
broken() {
    printf '%s\n' "$*" | tee -a "$rule_failures"
}

# Reads lines; each breaks the rule, for the reason given.
broken_lines() {
    local line
    while read -r line; do broken "$line: $1"; done
}

rule_end() {
    [ ! -s "$rule_failures" ] || exit 1
    exit 0
}
