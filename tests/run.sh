#!/bin/bash
# Runs every test that is built and says what came of it: C tests of each variant, tests of programs (bats), faults, rules.
#
#   tests/run.sh                  everything
#   tests/run.sh PATTERN...       only the jobs whose names match one of the globs: 'release/unit/*', 'rules/*', '*vlrm*'
#   tests/run.sh --quick ...      the same without the single tests of programs that are tagged slow; says how many those are
#   tests/run.sh --list           the names
#
# A job is one test program or file. Its output is kept in build/logs/; what failed is printed, and so is why anything was
# skipped. The last line is "N passed, N failed, N skipped", counted in single tests. No test run is a failure, and so is a job
# that ends with a bad status or without having run a test, whatever it printed.
#
# A job that failed beside others is run once more when nothing else runs, if no more than JOBS_AGAIN failed (default 4; 0: never)
# and none hung. Where it passes then, its tests count as passed, and it is named as FLAKY before the sums, with what it printed the
# first time: a race, of the program or of the test, for somebody to find.
#
# JOBS: how many at a time (default: one more than there are processors, for some jobs wait as much as they compute). LOGS: where logs go (build/logs). JOB_SECONDS: when a job counts as hung (default 900).
set -u
cd "$(dirname "$0")/.." || exit 1
jobs_at_once=${JOBS:-$(($(nproc) + 1))}
job_seconds=${JOB_SECONDS:-900}
jobs_again=${JOBS_AGAIN:-4}
logs=${LOGS:-build/logs}
export CMOCKA_MESSAGE_OUTPUT=TAP LC_ALL=C.UTF-8
unset MAKEFLAGS MAKELEVEL MFLAGS
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

# Names of all jobs, the long ones first. asan runs those bats tests that are tagged so ("# bats test_tags=asan").
list_jobs() {
    local variant file
    for file in tests/{programs,tools,models,extract,update,eval,ranks,world,pages,pipelines}/*.bats; do
        [ -e "$file" ] || continue
        echo "release/${file#tests/}"
        if grep -q '^# bats .*_tags=.*asan' "$file"; then echo "asan/${file#tests/}"; fi
    done
    for variant in asan double release; do
        for file in tests/models/test_*.c tests/ops/test_*.c tests/unit/test_*.c; do
            [ -e "$file" ] || continue
            case $variant/$file in double/tests/unit/*) continue ;; esac
            file=${file%.c}
            echo "$variant/${file#tests/}"
        done
    done
    for file in tests/cuda/*.bats tests/faults/*.bats tests/faults/syscalls.py tests/faults/allocations.py; do
        [ -e "$file" ] || continue
        echo "${file#tests/}"
        if grep -q '^# bats .*_tags=.*asan' "$file"; then echo "asan/${file#tests/}"; fi
    done
    for file in tests/rules/*.sh; do
        [ -e "$file" ] && echo "${file#tests/}"
    done
}

# run_job NAME: its output to stdout, its verdict as exit status. A rule skips by exit status 77.
run_job() {
    local variant=${1%%/*} file=tests/${1#*/}
    case $1 in
    rules/*) bash "tests/$1" ;;
    cuda/*.bats) BIN=$PWD/bin bats --tap "tests/$1" ;;
    faults/*.bats) bats --tap "tests/$1" ;;
    faults/*) "tests/$1" ;;
    release/*.bats) BIN=$PWD/bin bats --tap ${RUN_QUICK:+--filter-tags '!slow'} "$file" ;;
    */*.bats) BIN=$PWD/build/$variant/bin bats --tap --filter-tags "$variant" "$file" ;;
    *) "build/$variant/tests/${1#*/}" ;;
    esac
}

# Runs one job and leaves "passed failed skipped" beside its log.
record_job() {
    local log=$logs/$1 status passed failed skipped verdict=ok
    mkdir -p "${log%/*}"
    timeout -k 10 "$job_seconds" "$BASH" tests/run.sh --one "$1" >"$log" 2>&1 </dev/null
    status=$?
    skipped=$(grep -cE '^(not )?ok [0-9]+ .*# (SKIP|skip)' "$log")
    passed=$(grep -vE '# (SKIP|skip)' "$log" | grep -cE '^ok [0-9]+ ')
    failed=$(grep -vE '# (SKIP|skip)' "$log" | grep -cE '^not ok [0-9]+ ')
    case $1 in
    rules/*)
        passed=0 failed=0 skipped=0
        case $status in 0) passed=1 ;; 77) skipped=1 ;; *) failed=1 ;; esac
        ;;
    *)
        if [ "$failed" = 0 ] && [ "$status" != 0 ]; then
            echo "# ended with status $status" >>"$log"
            failed=1
        elif [ $((passed + failed + skipped)) = 0 ]; then
            echo '# no test ran' >>"$log"
            failed=1
        fi
        ;;
    esac
    [ "$status" != 124 ] || echo "# hung: stopped after $job_seconds s" >>"$log"
    echo "$passed $failed $skipped" >"$log.count"
    [ "$failed" = 0 ] || verdict=FAILED
    printf '%-6s %s: %d passed, %d failed, %d skipped, %d s\n' "$verdict" "$1" "$passed" "$failed" "$skipped" "$SECONDS"
    [ "$failed" = 0 ] || sed 's/^/    /' "$log" | tail -n 60
}

matches() {
    local name=$1 pattern
    shift
    [ $# -gt 0 ] || return 0
    for pattern; do
        # shellcheck disable=SC2053 # a glob is meant
        [[ $name == $pattern ]] && return 0
    done
    return 1
}

case ${1-} in
--quick) export RUN_QUICK=yes; shift ;;
--list) list_jobs; exit ;;
--one) run_job "$2"; exit ;;
-*) echo "run.sh: unknown option $1" >&2; exit 2 ;;
esac

rm -rf "$logs"
mkdir -p "$logs"
while read -r job; do
    matches "$job" "$@" || continue
    while [ "$(jobs -rp | wc -l)" -ge "$jobs_at_once" ]; do wait -n; done
    (SECONDS=0 && record_job "$job") &
done < <(list_jobs)
wait

# Those that failed, alone.
mapfile -t failed_jobs < <(cd "$logs" && find . -name '*.count' -exec awk '$2 > 0 {print FILENAME}' {} + | sed 's|^\./||; s|\.count$||' | sort)
flaky=()
if [ "${#failed_jobs[@]}" -le "$jobs_again" ] && ! grep -rqs '^# hung: stopped after' "$logs"; then
    for job in "${failed_jobs[@]}"; do
        echo "again, alone: $job"
        mv "$logs/$job" "$logs/$job.first"
        (SECONDS=0 && record_job "$job")
        awk '$2 > 0 {bad = 1} END {exit bad}' "$logs/$job.count" && flaky+=("$job")
    done
fi

total_passed=0 total_failed=0 total_skipped=0
while read -r count; do
    read -r passed failed skipped <"$count"
    total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed)) total_skipped=$((total_skipped + skipped))
    if [ "$skipped" -gt 0 ]; then
        log=${count%.count}
        echo "SKIPPED in ${log#"$logs"/}:"
        case $log in "$logs"/rules/*) sed 's/^/    /' "$log" ;; *) grep -i 'skip' "$log" | sed 's/^/    /' ;; esac
    fi
done < <(find "$logs" -name '*.count' | sort)

if [ $((total_passed + total_failed)) = 0 ]; then
    echo 'run.sh: no test ran' >&2
    total_failed=1
fi
for job in "${flaky[@]}"; do
    echo "FLAKY $job: failed beside other jobs, passed alone; the first time ($logs/$job.first):"
    grep -A 12 -E '^not ok|^# (ended|hung|no test)' "$logs/$job.first" | head -n 40 | sed 's/^/    /'
done
[ -z "${RUN_QUICK-}" ] || echo "left out: $(cat tests/*/*.bats | grep -cE '^# bats test_tags=.*slow') slow tests, which make check runs"
printf '%d passed, %d failed, %d skipped\n' "$total_passed" "$total_failed" "$total_skipped"
[ "$total_failed" = 0 ]
