#!/bin/bash
# Runs one fuzzer from the seeds that are kept (tests/fuzz/seeds/NAME) and what earlier runs found (build/fuzz/corpus-NAME), with its
# dictionary (tests/fuzz/NAME.dict) where there is one; prints how many inputs it tried and how many lines it reached of the files
# that its source says it is about.
#
#   tests/fuzz/run.sh NAME SECONDS        searches; what is found lies in build/fuzz/fuzz_NAME-*
#   tests/fuzz/run.sh NAME keep           adds to the seeds a few small inputs that reach what was found, up to KEEP_BYTES in all
#
# FUZZ_SEED: where chance begins (default: anew each time). An input is at most 16 kB; one that takes more than TIMEOUT seconds or 2 GB is a finding.
set -eu
cd "$(dirname "$0")/../.."
name=$1 what=$2
fuzzer=build/fuzz/fuzz_$name log=build/fuzz/$name.log corpus=build/fuzz/corpus-$name seeds=tests/fuzz/seeds/$name
options=(-timeout="${TIMEOUT:-10}" -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 -seed="${FUZZ_SEED:-0}" -artifact_prefix="$fuzzer-")
[ ! -e "tests/fuzz/$name.dict" ] || options+=(-dict="tests/fuzz/$name.dict")
mkdir -p "$corpus" "$seeds"
export LLVM_PROFILE_FILE=build/fuzz/$name.profraw ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=1}

if [ "$what" = keep ]; then
    kept=$corpus.kept
    rm -rf "$kept"
    cp -r "$seeds" "$kept"
    "$fuzzer" "${options[@]}" -max_len=2048 -set_cover_merge=1 -use_counters=0 "$kept" "$corpus" >"$log" 2>&1 || { tail -50 "$log" >&2; exit 1; }
    size=$(cat "$seeds"/* | wc -c)
    find "$kept" -type f -printf '%s %f\n' | sort -n | while read -r bytes file; do
        [ -e "$seeds/$file" ] || [ "$((size += bytes))" -gt "${KEEP_BYTES:-12000}" ] || cp "$kept/$file" "$seeds/"
    done
    exit
fi

"$fuzzer" "${options[@]}" -max_total_time="$what" "$corpus" "$seeds" >"$log" 2>&1 || { tail -50 "$log"; exit 1; }
mapfile -t about < <(sed -n '/^ \* About:/,/\*\//p' "tests/fuzz/fuzz_$name.c" | grep -oE '(lib|src)/[a-z0-9_/]+\.c')
llvm-profdata merge -o "build/fuzz/$name.profdata" "$LLVM_PROFILE_FILE"
lines=$(llvm-cov export -summary-only "$fuzzer" -instr-profile="build/fuzz/$name.profdata" "${about[@]}" |
    jq -r '.data[0].totals.lines | "\(.covered) of \(.count)"')
inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
echo "$fuzzer: $inputs inputs in $what s, no finding; $lines lines reached of ${about[*]##*/}"
