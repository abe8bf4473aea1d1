#!/bin/bash
# Every C file is as clang-format would write it (make format does so).
. "$(dirname "$0")/common.bash"
tree '*.c' '*.h' | xargs clang-format --dry-run -Werror || broken 'run make format'
rule_end
