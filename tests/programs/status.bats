#!/usr/bin/env bats
# How far a program is: SIGUSR1, --status-file (formats/status.md), the line on a terminal, and how many threads it takes.

load common

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    ORACLE=$ROOT/tests/golden/oracle/tiny
}

# captions FILE: thirty captions with their pictures, as a stream.
captions() {
    jq -c --arg at "$ORACLE/f64/" '.frame.path = $at + .frame.path' "$ORACLE/f64/captions.jsonl" | vlrm-cat --from=json >"$1"
}

# status FILTER [FILE]: whether the status file (default: s.json) is one object for which the jq filter holds.
status() {
    jq -e "$1" "${2-s.json}" >/dev/null 2>&1
}

# catches PID PROGRAM: whether the process is the program's by now, and has a handler for SIGUSR1.
catches() {
    local mask
    [ "/proc/$1/exe" -ef "$2" ] || return 1
    mask=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status")
    [ -n "$mask" ] && [ $((16#$mask >> 9 & 1)) = 1 ]
}

@test "SIGUSR1: every program says how far it is and goes on" {
    mkfifo config
    for path in "$BIN"/vlrm-*; do
        name=${path##*/}
        "$path" --config config --help >out 2>said 3>&- &
        eventually 60 catches $! "$path"
        kill -USR1 $!
        eventually 60 grep -q "^$name: at work for [0-9]* s" said
        echo '{}' >config
        wait $! || { echo "$name: status $?"; false; }
        grep -q "^usage: $name" out
    done
}

@test "SIGUSR1 while it works and waits: what it makes is the same" {
    captions in
    vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" in >expected
    mkfifo pipe
    vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" --status-file s.json <pipe >out 2>said 3>&- &
    exec 5>pipe
    head -c 4000 in >&5
    eventually 60 status '.waits == "input" and .read > 0'
    kill -USR1 $!
    eventually 60 grep -qE '^vlrm-reward: [0-9]+ captions, [0-9.]+/s, waits for input$' said
    tail -c +4001 in >&5
    kill -USR1 $!
    exec 5>&-
    wait $!
    cmp out expected
}

@test "the status file: its keys are those of the page; it follows the program to its end" {
    captions in
    mkfifo pipe
    vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" --batch 10 --threads 1 --status-file s.json <pipe >out 2>said 3>&- &
    pid=$!
    exec 5>pipe
    eventually 60 status ".pid == $pid and .stage == \"reward\" and .waits == \"input\" and .waits_since > .began"
    head -c 4000 in >&5
    eventually 60 status '.read > 0 and .rate > 0 and (.ended | not)'
    status '.memory | .resident > 1e6 and .private + .mapped <= .resident and .peak >= .resident'
    status '.threads == 1 and .device == {name: "cpu", memory: null} and .batch.of == 10 and .input.of > 0 and .moved <= .time'
    cp s.json early.json
    tail -c +4001 in >&5
    exec 5>&-
    wait $pid
    eventually 60 status '.ended and .read == 30 and .written == 30 and .waits == null and .memory.peak > 1e6'
    # A queue and a warning: of the stages that have them.
    head -c 300 "$ORACLE/f64/images/0000.png" >cut.png
    no vlrm-extract --status-file e.json --journal j cut.png "$ORACLE/f64/images" >frames 2>/dev/null
    eventually 60 status '.ended and .written == 30 and .failed == 1 and (.warnings[0].text | contains("cut.png"))' e.json
    page=$ROOT/formats/status.md
    diff <(jq -r 'keys[]' s.json) <(grep '^| `' "$page" | cut -d'|' -f2 | grep -oE '[a-z_]+' | sort)
    [ "$(jq -r keys[] s.json)" = "$(jq -r keys[] e.json)" ]
    jq -r '(.batch, .queue, .input, .memory, .device | objects | keys[]), (.warnings[] | keys[])' early.json e.json | sort -u >parts
    [ "$(wc -l <parts)" = 14 ]
    while read -r key; do grep -qF "\`$key\`" "$page"; done <parts
}

@test "once a program is gone its status file says how it ended" {
    captions in
    for _ in {1..30}; do
        vlrm-cat --status-file s.json in >out
        status '.ended and .read == 30 and .written == 30 and (.killed | not)'
        exits 1 vlrm-reward --model none --itm none --status-file d.json in
        status '.ended and (.killed | not) and .warnings[0].number == 1' d.json
    done
}

# in_state STATE PID: whether the process is in that state (proc(5)): T when stopped, Z when it has ended.
in_state() {
    [[ "$(sed 's/.*) //' "/proc/$2/stat")" = $1* ]]
}

# ended PID: whether our child has ended, be it that the shell knows.
ended() {
    [ ! -e "/proc/$1" ] || in_state Z "$1"
}

@test "a process that writes the status file and has been stopped does not keep the program" {
    captions in
    mkfifo pipe
    vlrm-cat --status-file s.json <pipe >out 2>said 3>&- &
    pid=$!
    exec 5>pipe
    eventually 10 status ".pid == $pid"
    writer=$(pgrep -P $pid)
    kill -STOP "$writer"
    eventually 10 in_state T "$writer"
    cat in >&5
    exec 5>&-
    eventually 20 ended $pid
    wait $pid
    [ ! -e "/proc/$writer" ] || kill -9 "$writer" # the sandbox forbids the program to
}

@test "the status file is whole whenever it is read, and a program that is killed has ended" {
    mkfifo pipe
    vlrm-cat --status-file s.json <pipe >out 3>&- &
    pid=$!
    exec 5>pipe
    first=$(jq .time s.json 2>/dev/null) || eventually 60 status .pid
    for _ in {1..60}; do jq -e ".pid == $pid" s.json >/dev/null; done
    eventually 60 status ".time > ${first:-0}"
    kill -9 $pid
    exec 5>&-
    eventually 60 status '.ended and .killed'
    [ "$(ls)" = "$(printf '%s\n' out pipe s.json)" ]
    exits 1 vlrm-cat --status-file none/s.json "$ORACLE/f64/captions.jsonl"
    says 'vlrm-cat: --status-file'
    exits 2 vlrm-cat --status-file
}

@test "who waits for whom: for output while nobody reads, also in the sealed process; for a policy that does not come" {
    mkfifo pipe
    vlrm-extract --size 200 --encoding rgb --status-file e.json "$ORACLE/f64/images" >pipe 3>&- &
    extract=$!
    exec 6<pipe
    eventually 60 status '.waits == "output" and .written > 0 and .queue.depth >= 0' e.json
    cat <&6 >frames
    wait $extract
    eventually 60 status .ended e.json
    exec 6<&-
    mkdir -p run/policy
    vlrm-rollout --model "$ORACLE/blip2" --sample --policy run/policy --status-file r.json frames >out 3>&- &
    eventually 60 status '.waits == "policy" and .total > .reached' r.json
    kill -TERM $!
    wait $! || [ $? = 75 ]
}

@test "update says its steps, its metrics and when it will be done" {
    captions in
    vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" in >rewarded
    mkfifo pipe
    vlrm-update --model "$ORACLE/blip2" --value-head linear --off-policy --batch 10 --max-steps 3 --run run --status-file s.json <pipe >out 3>&- &
    exec 5>pipe
    head -c $(($(stat -c %s rewarded) * 5 / 6)) rewarded >&5
    eventually 60 status '.step == 2 and .steps == 3 and .total == 3 and .reached > 2 and .eta > 0 and .batch.of == 10 and .metrics.step == 2'
    tail -c +$(($(stat -c %s rewarded) * 5 / 6 + 1)) rewarded >&5
    exec 5>&-
    wait $!
    eventually 60 status '.ended and .step == 3 and .reached == 3'
    jq -es 'all(.seconds.wall >= .seconds.step and .words.mean > 1)' out
}

@test "a line on the terminal says how long it will take; none where stderr is no terminal" {
    script -qec 'vlrm-world-render --clips 3 --size 32 --seed 4 --out clips' typescript >/dev/null
    grep -qE 'vlrm-world-render: [1-3] clips, [0-9.]+/s, [0-9]+ s to go' typescript
    vlrm-world-render --clips 1 --size 32 --seed 4 --out clips 2>said
    [ ! -s said ]
}

@test "what comes before and behind the records has a line too: models that are read, weights that are written, resamples" {
    # pty COMMAND: what it says on a terminal.
    pty() {
        script -qec "$1" typescript >/dev/null
    }
    pty "vlrm-weights digest $ORACLE/blip2"
    grep -qE 'vlrm-weights: at work for [0-9]+ s, reads [^ ]*blip2[^ ]* [0-9]+ %, [0-9]+ s to go' typescript
    pty "vlrm-weights convert $ORACLE/blip2 --dtype f16 --out half.safetensors"
    grep -qE 'vlrm-weights: at work for [0-9]+ s, writes half.safetensors [0-9]+ %, [0-9]+ s to go' typescript
    pty "vlrm-weights compare $ORACLE/blip2 $ORACLE/blip2"
    grep -qE 'compares [^ ]*blip2 [0-9]+ %, [0-9]+ s to go' typescript
    captions in
    pty "vlrm-rollout --model $ORACLE/blip2 in >out"
    grep -qE 'vlrm-rollout: at work for [0-9]+ s, reads [^ ]*blip2[^ ]* [0-9]+ %, [0-9]+ s to go' typescript
    pty "vlrm-eval --clip $ORACLE/clip --bootstrap 300000 -o report.json in"
    grep -qE 'vlrm-eval: [0-9]+ captions, .*draws resamples [0-9]+ %, [0-9]+ s to go' typescript
    vlrm-weights digest "$ORACLE/blip2" 2>said
    [ ! -s said ]
}

# threads COMMAND...: how many threads the program says it computes with.
threads() {
    "$@" vlrm-rollout --model "$ORACLE/blip2" --status-file t.json /dev/null >/dev/null 2>&1 || [ $? = 5 ]
    eventually 60 status .ended t.json
    jq .threads t.json
}

@test "threads: as many as affinity and Slurm allow" {
    unset VLRM_THREADS
    cpus=$(nproc)
    first=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
    [ "$(threads env)" = "$cpus" ]
    [ "$(threads taskset -c "$first")" = 1 ]
    [ "$(threads env SLURM_CPUS_PER_TASK=1)" = 1 ]
    [ "$(threads env SLURM_CPUS_PER_TASK=100000)" = "$cpus" ]
    [ "$(threads env VLRM_THREADS=3 SLURM_CPUS_PER_TASK=1)" = 3 ]
}
