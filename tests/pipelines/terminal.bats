#!/usr/bin/env bats
# What recipes that take long show on a terminal of 80 and of 200 columns, where they are not trainings (vlrm-top.bats has those): a line
# that says how far they are, then the result; no JSON, no line too long.

load ../programs/common
load ../programs/terminal

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    ORACLE=$ROOT/tests/golden/oracle/tiny
    vlrm=$ROOT/bin/vlrm
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1 TERM=xterm
    unset NO_COLOR
}

# made_wait PROGRAM TEXT: a program of that name, in front of the others, that begins once the screen has said TEXT.
made_wait() {
    mkdir -p programs
    ln -sf "$ROOT"/bin/* programs/
    rm "programs/$1"
    cat >"programs/$1" <<PROGRAM
#!/bin/bash
for ((tenth = 0; tenth < 600; tenth++)); do
    if tr '\r' '\n' <${PWD@Q}/screen | grep -qE ${2@Q}; then break; fi
    sleep 0.1
done
exec ${ROOT@Q}/bin/$1 "\$@"
PROGRAM
    chmod +x "programs/$1"
    export VLRM_PROGRAMS=$PWD/programs
}

# moved TEXT: a line that is drawn over, and gone at the end, said it.
moved() {
    tr '\r' '\n' <screen | grep -qE "$1"
    grep -q $'\r\033\[K' screen
}

@test "evaluate: how far its stages are, then a table" {
    made_wait vlrm-eval 'extract [0-9]+ frames'
    for columns in 80 200; do
        on_terminal $columns "$vlrm" evaluate --model "$ORACLE/blip2" --clip "$ORACLE/clip" --greedy "$ORACLE/f64/images"
        moved 'extract [0-9]+ frames'
        grep -qE '^r@1 +[0-9]' screen
        no grep -q '{' screen
        [ "$(widest)" -le $columns ]
    done
    # What goes to a file is what it was.
    unset VLRM_PROGRAMS
    on_terminal 80 "$vlrm" evaluate --model "$ORACLE/blip2" --clip "$ORACLE/clip" --greedy --output=report.json "$ORACLE/f64/images"
    jq -e '.runs[0].captions == 30' report.json
    no grep -q r@1 screen
}

@test "corpus: shards and sources that are done; what is no media is said once for all shards" {
    cp -r "$ORACLE/f64/images" in
    for i in 1 2 3 4 5 6 7; do echo text >in/$i.txt; done
    made_wait vlrm-extract '[0-4] of 4 shards, [0-9]+ sources done'
    for columns in 80 200; do
        on_terminal $columns "$vlrm" corpus --shards 4 --jobs 2 --out shards-$columns in
        moved '[0-4] of 4 shards, [0-9]+ sources done'
        [ "$(grep -c 'skipped 7 files that are no picture or video' screen)" = 1 ]
        [ "$(grep -c skipped screen)" = 1 ]
    done
    unset VLRM_PROGRAMS
    "$vlrm" corpus --shards 4 --out shards-none in 2>said
    no grep -q 'sources done' said
}

@test "caption: how many, how fast and how long yet, while a file takes the captions" {
    for columns in 80 200; do
        # shellcheck disable=SC2016 # that shell's
        on_terminal $columns bash -c '"$@" >captions.jsonl' caption "$vlrm" caption --model "$ORACLE/blip2" --greedy --max-new-tokens 6 "$ORACLE/f64/images"
        [ "$(wc -l <captions.jsonl)" = 30 ]
        moved '30 captions of 30, [0-9]+\.[0-9]/s, 0 s to go'
        [ "$(widest)" -le $columns ]
    done
}
