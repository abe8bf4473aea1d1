#!/usr/bin/env bats
# HACKING.md: its commands do what it says, in the order of the page.

load common

@test "the commands that HACKING.md shows" {
    cd "$ROOT"
    export LOGS=$BATS_TEST_TMPDIR/logs
    sed -n '/^```sh$/,/^```$/p' HACKING.md | sed '1d;$d' >"$BATS_TEST_TMPDIR/commands"
    exits 0 env -u MAKEFLAGS -u MAKELEVEL bash -eu -o pipefail "$BATS_TEST_TMPDIR/commands"
    says 'make test '
    says 'release/tools/vlrm-cat.bats'
    says ' passed, 0 failed'
    says 'vlrm-cat.bats: '
}

# bats test_tags=slow
@test "make compile-commands names every file that is compiled" {
    cd "$ROOT"
    make -s --no-print-directory compile-commands
    jq -r '.[].file' compile_commands.json | sort -u >"$BATS_TEST_TMPDIR/listed"
    git ls-files 'lib/*.c' 'src/*.c' 'world/*.c' | grep -vE '^lib/tensor/(cuda/cuda|cpu/absent/variants).c$|^lib/ranks/(absent|mpi)/' | sort >"$BATS_TEST_TMPDIR/there"
    [ -s "$BATS_TEST_TMPDIR/there" ]
    exits 0 comm -13 "$BATS_TEST_TMPDIR/listed" "$BATS_TEST_TMPDIR/there"
    [ -z "$output" ] || { echo "not listed: $output"; return 1; }
}
