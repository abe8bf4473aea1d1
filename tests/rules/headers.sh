#!/bin/bash
# Each header compiles alone, so that files may include in any order; and each .c that has a header includes it first.
# Not meant: the parts of kernels in lib/tensor/cpu/vec, which a file for one processor puts together.
. "$(dirname "$0")/common.bash"
read -ra flags < <(make -s flags)

for header in $(tree 'lib/*.h' 'src/*.h' 'world/*.h'); do
    case $header in lib/tensor/cpu/vec/variants.h) ;; lib/tensor/cpu/vec/*.h) continue ;; esac
    printf '#include "%s"\n' "$header" |
        gcc -std=c17 -I. "${flags[@]}" -Wall -Wextra -fsyntax-only -x c - 2>&1 || broken "$header does not compile alone"
done
for source in $(tree 'lib/*.c' 'src/*.c' 'world/*.c'); do
    [ -e "${source%.c}.h" ] || continue
    first=$(grep -m1 '^ *# *include' "$source")
    name=$(basename "${source%.c}.h")
    case $first in *"/$name\""* | *"\"$name\""*) ;; *) broken "$source: first includes ${first#*include }, not its own $name" ;; esac
done
rule_end
