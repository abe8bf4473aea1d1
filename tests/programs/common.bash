# shellcheck shell=bash disable=SC2154 # status and output are bats'
# What tests of programs share: load it with `load common`. $BIN holds the programs under test, $BATS_TEST_TMPDIR is a fresh
# folder for each test, removed afterwards.
ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BIN=${BIN:-$ROOT/bin}
PATH=$BIN:$PATH
export ROOT BIN PATH LC_ALL=C.UTF-8 VLRM_PROGRAMS=$BIN

# exits STATUS COMMAND...: runs it as bats' run does ($output, $lines) and insists on its exit status.
exits() {
    local expected=$1
    shift
    run "$@"
    [ "$status" -eq "$expected" ] || {
        printf 'exit status %d, expected %d: %s\n%s\n' "$status" "$expected" "$*" "$output"
        return 1
    }
}

# says TEXT: the last run's output has it.
says() {
    case $output in *"$1"*) ;; *)
        printf 'expected to read: %s\nfound: %s\n' "$1" "$output"
        return 1
        ;;
    esac
}

# no COMMAND...: it must fail. (A bare "! command" fails no test.)
no() {
    if "$@"; then
        echo "expected to fail: $*"
        return 1
    fi
}

# shared NAME: the path of a file in ../shared, which lies beside some checkouts; skips the test, loudly, where it does not.
shared() {
    [ -e "$ROOT/../shared/$1" ] || skip "no ../shared/$1 beside this checkout"
}

# eventually SECONDS COMMAND...: waits until it succeeds; fails when it never does.
eventually() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || { echo "never came true: $*"; return 1; }
        sleep 0.05
    done
}

# ordinary COMMAND...: as a user whom permissions bind, which root is only without these capabilities.
ordinary() {
    if [ "$(id -u)" = 0 ]; then setpriv --bounding-set=-dac_override,-dac_read_search -- "$@"; else "$@"; fi
}

# permissions_bind: skips the test, loudly, where they bind nobody.
permissions_bind() {
    mkdir -m 0 "$BATS_TEST_TMPDIR/closed"
    no ordinary ls "$BATS_TEST_TMPDIR/closed" > /dev/null 2>&1 || skip "permissions bind nobody here: setpriv cannot drop root's capabilities"
}
