#!/usr/bin/env bats
# The driver and what recipes are made of (pipelines/stages.sh), with stages that fail in every way on purpose.
# shellcheck disable=SC2016 # stages are given as text, to be expanded by them
load common
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    export VLRM_GRACE_SECONDS=1 VLRM_STOP_SECONDS=2
    cat >recipe.sh <<EOF
. "$ROOT/pipelines/stages.sh"
stages_begin try run
stage one 1 bash -c "\$1"
stage two 2 bash -c "\$2"
stage three all bash -c "\$3"
stages_run "\${@:4}"
EOF
}

# Processes of this test's own stages.
leftovers() {
    pgrep -f "^marker-$BATS_TEST_TMPDIR"
}

# A stage that goes on for ever, recognizable by its argument zero.
forever() {
    echo "exec -a marker-$BATS_TEST_TMPDIR sleep 1000"
}

# A stage that copies for ever.
copy() {
    echo "exec -a marker-$BATS_TEST_TMPDIR cat"
}

none_left() {
    no leftovers
}

# Whether nobody holds the run folder any more: a process that dies is no longer found a little before its files are closed.
run_is_free() {
    flock -n run/lock true
}

# How many of the temporary folders have a lock that nobody holds.
free_folders() {
    local lock free=0
    for lock in tmp/vlrm-try.*/lock; do if flock -n "$lock" true; then free=$((free + 1)); fi; done
    [ "$free" = "$1" ]
}

all_run() {
    [ "$(leftovers | wc -l)" = 3 ]
}

@test "stages are chained, each with its share of threads and a log of its own" {
    export VLRM_THREADS=6
    exits 0 bash recipe.sh 'echo $VLRM_THREADS; echo first >&2' 'cat; echo $VLRM_THREADS' 'cat; echo $VLRM_THREADS'
    [ "$output" = $'2\n4\n6' ]
    grep -x first run/logs/one.log
    [ "$(ls run/logs)" = $'one.log\nthree.log\ntwo.log' ]
}

@test "the output file appears whole" {
    exits 0 bash recipe.sh 'seq 3' cat cat out
    [ "$(cat out)" = $'1\n2\n3' ]
    [ "$(ls -A)" = $'out\nrecipe.sh\nrun' ]
    [ "$(ls -A run)" = $'lock\nlogs' ]
}

@test "failed records (3) leave the others running and the file whole" {
    exits 3 bash recipe.sh 'echo 1; exit 3' 'cat; exit 3' 'sleep 3; cat; exit 3' out
    says 'one ended with status 3'
    [ "$(cat out)" = 1 ]
}

@test "a failure leaves no file" {
    echo old >kept
    exits 1 bash recipe.sh 'seq 3' 'cat; exit 1' 'cat; exit 5' kept
    says 'two ended with status 1'
    [ "$(cat kept)" = old ]
    exits 7 bash recipe.sh 'seq 3' 'cat' 'cat; exit 7' out
    [ "$(ls -A)" = $'kept\nrecipe.sh\nrun' ]
}

@test "the culprit is named, not those that its end hits" {
    exits 6 bash recipe.sh 'yes; echo "write stdout: Broken pipe" >&2; exit 1' 'echo mine >&2; exit 6' 'cat; exit 5'
    says 'two ended with status 6 (mismatch)'
    says '    mine'
    exits 4 bash recipe.sh 'exit 4' 'cat; exit 4' 'cat; exit 4'
    says 'one ended with status 4'
    exits 139 bash recipe.sh 'echo 1; exit 3' 'kill -SEGV $$' 'cat; exit 5'
    says 'two ended with status 139 (killed by SIGSEGV)'
    exits 5 bash recipe.sh 'echo 1; exit 3' 'cat; exit 5' 'cat; exit 5'
    says 'two ended with status 5'
    run -127 bash recipe.sh 'seq 3' no-such-program 'cat; exit 5'
    says 'two ended with status 127'
}

@test "words of an earlier run are not shown again" {
    exits 1 bash recipe.sh 'echo old >&2; exit 1' cat cat
    exits 1 bash recipe.sh 'echo new >&2; exit 1' cat cat
    says '    new'
    [[ $output != *'    old'* ]]
}

@test "a last stage that has had enough ends the recipe cleanly" {
    exits 0 bash recipe.sh yes cat 'head -n 2'
    [ "$output" = $'y\ny' ]
    exits 0 bash recipe.sh "$(forever)" "$(copy)" 'exit 0'
    none_left
}

@test "each stage killed in turn: its name, its status, no orphan" {
    local victim
    for victim in one two three; do
        rm -rf run
        bash recipe.sh "echo \$\$ >one.pid; $(forever)" "echo \$\$ >two.pid; $(copy)" "echo \$\$ >three.pid; $(copy)" out 2>said 3>&- &
        eventually 60 test -s one.pid -a -s two.pid -a -s three.pid
        kill -9 "$(cat $victim.pid)"
        wait $! && return 1
        [ $? = 137 ]
        grep "$victim ended with status 137 (killed by SIGKILL)" said
        none_left
        [ ! -e out ]
        rm -f ./*.pid
    done
}

@test "a stage that will not end is killed, with its children" {
    local deaf="trap '' TERM; echo >deaf; (exec -a marker-$BATS_TEST_TMPDIR sleep 1000); sleep 1000"
    exits 2 bash recipe.sh "$deaf" 'until [ -e deaf ]; do sleep 0.05; done; exit 2' cat
    says 'two ended with status 2'
    says 'one did not end when asked to and was killed'
    eventually 60 none_left # a child that was killed dies when the kernel comes to it
}

@test "what a stage leaves behind does not hold the pipe" {
    exits 1 bash recipe.sh "($(forever)) & exit 1" 'cat; exit 5' 'cat; exit 5'
    says 'one ended with status 1'
    none_left
}

@test "SIGTERM ends every stage and gives 75" {
    export VLRM_STOP_SECONDS=60
    local polite="trap 'exit 75' TERM; echo >>ready; while :; do sleep 0.05; done"
    bash recipe.sh "$polite" "$polite" "trap 'echo whole; exit 75' TERM; echo >>ready; while :; do sleep 0.05; done" out 2>said 3>&- &
    eventually 60 sh -c '[ "$(wc -l <ready)" = 3 ]'
    kill -TERM $!
    wait $! && return 1
    [ $? = 75 ]
    grep interrupted said
    [ ! -e out ]
    [ "$(cat out.interrupted)" = whole ]
}

@test "a second SIGTERM does not wait" {
    export VLRM_STOP_SECONDS=1000
    local deaf="trap 'echo >>asked' TERM; echo >>ready; while :; do sleep 0.05; done"
    bash recipe.sh "$deaf" "$deaf" "$deaf" 2>said 3>&- &
    eventually 60 sh -c '[ "$(wc -l <ready)" = 3 ]'
    kill -TERM $!
    eventually 60 sh -c '[ "$(cat asked 2>/dev/null | wc -l)" -ge 3 ]' # of two signals at once a shell would see one
    kill -TERM $!
    wait $! && return 1
    [ $? = 75 ]
    grep 'one did not end when asked to and was killed' said
}

@test "kill -9 of the recipe itself leaves no orphan" {
    bash recipe.sh "$(forever)" "$(copy)" "$(copy)" 3>&- &
    local driver=$!
    eventually 60 all_run
    kill -9 "$driver"
    eventually 60 none_left
}

@test "kill -9 leaves nothing in the run folder but lock and logs; what earlier versions left goes with the next run" {
    bash recipe.sh "$(forever)" "$(copy)" "$(copy)" 3>&- &
    local driver=$!
    eventually 60 all_run
    kill -9 "$driver"
    eventually 60 none_left
    eventually 60 run_is_free
    [ "$(ls -A run)" = $'lock\nlogs' ]
    mkdir run/stages.aB3dE6
    mkfifo run/stages.aB3dE6/idle
    exits 0 bash recipe.sh true true true
    [ "$(ls -A run)" = $'lock\nlogs' ]
}

@test "temporary folders of killed recipes go with the next of their kind; those at work, and logs of failed ones, stay" {
    cat >kept.sh <<EOF
. "$ROOT/pipelines/stages.sh"
temporary_folder try
stages_begin try "\$folder"
stage one 1 bash -c "\$1"
stages_run
status=\$?
temporary_folder_end
exit \$status
EOF
    export TMPDIR=$PWD/tmp
    mkdir tmp
    exits 1 bash kept.sh 'exit 1'
    bash kept.sh "$(forever)" 3>&- &
    local working=$!
    eventually 60 leftovers
    bash kept.sh "echo \$PPID >pid; $(forever)" 3>&- &
    eventually 60 test -s pid
    kill -9 "$(cat pid)"
    wait $! || [ $? = 137 ]
    eventually 60 free_folders 1 # one is held, and the failed one has none
    eventually 60 sh -c "[ \"\$(pgrep -fc '^marker-$BATS_TEST_TMPDIR')\" = 1 ]"
    [ "$(find tmp -maxdepth 1 -name 'vlrm-try.*' | wc -l)" = 3 ]
    touch -d '1 hour ago' tmp/*
    exits 0 bash kept.sh true
    [ "$(find tmp -maxdepth 1 -name 'vlrm-try.*' -mmin +1 | wc -l)" = 2 ]
    kill "$working"
    wait "$working" || [ $? = 75 ]
}

@test "an output's half-written file of a killed recipe goes with the next run" {
    touch -d '1 hour ago' .out.writing-aaaaaaaa .out.writing-bbbbbbbb
    touch .out.writing-cccccccc
    exec 8<.out.writing-bbbbbbbb
    flock 8
    exits 0 bash recipe.sh 'seq 3' cat cat out 8<&-
    [ "$(cat out)" = $'1\n2\n3' ]
    [ "$(echo .out.*)" = '.out.writing-bbbbbbbb .out.writing-cccccccc' ] # a recipe holds one, the other may be just made
}

@test "one run folder, one run" {
    bash recipe.sh "echo >ready; $(forever)" cat cat 3>&- 2>/dev/null &
    eventually 60 test -e ready
    exits 1 bash recipe.sh 'exit 0' cat cat
    says 'in use by another run'
    kill $!
    wait $! && return 1
    exits 0 bash recipe.sh 'exit 0' cat cat
}

@test "a run folder that cannot be written is an error" {
    touch run
    exits 1 bash recipe.sh 'exit 0' cat cat
    says 'cannot make the run folder'
}

@test "vlrm finds programs and recipes, and refuses other names" {
    mkdir bin
    printf '#!/bin/sh\necho "fake: $*"\n' >bin/vlrm-fake
    chmod +x bin/vlrm-fake
    export VLRM_PROGRAMS=$PWD/bin
    exits 0 "$ROOT/bin/vlrm" fake --one 'two words'
    [ "$output" = 'fake: --one two words' ]
    for name in nothing ../bin/vlrm-fake --fake stages settings miniature; do
        exits 2 "$ROOT/bin/vlrm" "$name"
        says 'no program or recipe is named'
    done
}

@test "vlrm --help names every program and recipe, each with a summary" {
    exits 0 "$ROOT/bin/vlrm" --help
    for path in "$BIN"/vlrm-* "$ROOT"/pipelines/*.sh; do
        name=$(basename "$path" .sh)
        [[ $name =~ ^(stages|settings|dry-run|miniature)$ ]] || [ ! -e "$path" ] || grep -E "^  ${name#vlrm-} +[^ ]" <<<"$output"
    done
}

@test "every recipe has --help and refuses unknown options" {
    for path in "$ROOT"/pipelines/*.sh; do
        case $path in */stages.sh | */settings.sh | */dry-run.sh | */miniature.sh) continue ;; esac
        exits 0 bash "$path" --help
        says "vlrm $(basename "$path" .sh) "
        exits 2 bash "$path" --no-such-option
    done
}

@test "vlrm scale: terms and ranks that no step can have are refused" {
    exits 0 bash "$ROOT/pipelines/scale.sh" --ranks 1,8 token=0.012 state=0
    for wrong in token=-1 batch=0 disk=0 every=0 mean=nan inside=inf block=many nothing=1 --ranks=0 --ranks=1,x; do
        exits 2 bash "$ROOT/pipelines/scale.sh" "$wrong"
        says "vlrm scale: error: "
        no grep -q Traceback <<<"$output"
    done
    says "--ranks is a number, not 'x'"
}

@test "an installed tree works as the source tree does" {
    [ "$BIN" = "$ROOT/bin" ] || skip "installs the release programs, once"
    make -s -C "$ROOT" install DESTDIR="$PWD/image" PREFIX=/opt/vlrm
    unset VLRM_PROGRAMS
    exits 0 image/opt/vlrm/bin/vlrm --help
    for path in "$ROOT"/bin/vlrm-*; do [ ! -e "$path" ] || [ -x "image/opt/vlrm/bin/${path##*/}" ]; done
    for page in "$ROOT"/doc/*.1; do [ ! -e "$page" ] || [ -e "image/opt/vlrm/share/man/man1/${page##*/}" ]; done
    for page in "$ROOT"/formats/*.md; do [ -s "image/opt/vlrm/share/man/man5/vlrm-$(basename "$page" .md).5" ]; done
    [ "$(readlink image/opt/vlrm/share/bash-completion/completions/vlrm-cat)" = vlrm ]
    [ -e image/opt/vlrm/share/zsh/site-functions/_vlrm ]
    [ -e image/opt/vlrm/share/fish/vendor_completions.d/vlrm-cat.fish ]
    [ -e image/opt/vlrm/share/vlrm/bad-phrases.txt ]
    [ -e image/opt/vlrm/share/vlrm/pipelines/stages.sh ]
}
