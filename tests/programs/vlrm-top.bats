#!/usr/bin/env bats
# vlrm-top, and what recipes show on a terminal: frames, rows, the line, under a pseudo-terminal of 80 and of 200 columns.

load common
load terminal

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    ORACLE=$ROOT/tests/golden/oracle/tiny
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1 TERM=xterm
    unset NO_COLOR
}

# stage NAME JQ: a status file of run/status, of a process that wrote it just now, with what the jq filter changes.
stage() {
    mkdir -p run/status
    jq -n --arg name "$1" '{program: "vlrm-\($name)", stage: $name, time: now, began: (now - 100), moved: now, ended: false, unit: "captions",
        read: 812, written: 800, failed: 0, rate: 11.93, waits: null, threads: 2, memory: {resident: 2.5e9, private: 1e9, peak: 3e9},
        device: {name: "cpu", memory: null}, warnings: []} | '"$2" >"run/status/$1.json"
}

# A run of four stages in the middle of step 13, whose rollout hangs; twelve steps in its metrics.
made_run() {
    stage extract '.read = 0 | .waits = "output" | .unit = "frames" | .queue = {depth: 12, of: 512}'
    stage rollout '.moved -= 75 | .batch = {index: 12, records: 812, of: 4096} | .figure = "35.1 tokens/s" | .input = {bytes: 1048576, of: 1048576}'
    stage reward '.waits = "input" | .warnings = [{number: 1, time: (now - 10), text: "record \u001b[2Jx: no caption"}]'
    stage update '.waits = "input" | .step = 12 | .steps = 200 | .reached = 12.2 | .total = 200'
    jq -cn 'range(1; 13) | {step: ., captions: 4096, reward: {mean: (. / 2)}, sim: {mean: 4.875}, ref: {mean: -2.5}, noeos_rate: 0.25, bad_rate: 0.125,
        repeat_rate: 0.5, words: {mean: 11.25}, entropy: 1.5, value_loss: (1 / .), seconds: {step: 3, wall: 4}}
        + if . == 12 then {collapse: "entropy", warning: "entropy is outside its limits: 0.01, expected at least 0.05"} else {} end' >run/metrics.jsonl
}

@test "once: stages, who waits for whom, the step and the time to go, curves, the collapse, the last warning, who is stalled" {
    made_run
    exits 0 vlrm-top --once run
    says 'run  step 12 of 200, caption 812 of 4096, 11.9/s, 4.00 s a step, 12 min to go'
    [[ $output =~ extract\ +0\ +800\ +0\ +11.9\ +rollout\ +12\ +2.3G\ +954M\ +2 ]]
    [[ $output =~ rollout\ +812\ +800\ +0\ +11.9\ +computes\ +1.0M ]]
    [[ $output =~ reward\ .*\ rollout\ .*update\ .*\ reward\  ]]
    grep -qE '^stalled: rollout has not moved for (7[5-9]|[89][0-9]) s$' <<<"$output"
    [ "$(grep -c stalled: <<<"$output")" = 1 ]
    [[ $output =~ reward\ +6\ +▁▂▂▃▄▄▅▅▆▇▇█ ]]
    [[ $output =~ sim\ +4.875\ +[▄▅]{12} ]]
    says 'step 12: entropy is outside its limits: 0.01, expected at least 0.05: the policy may be collapsing'
    [[ $output =~ [0-9][0-9]:[0-9][0-9]:[0-9][0-9]\ reward:\ record\ .*x:\ no\ caption ]]
    no grep -q $'\033' <<<"$output"
    exits 0 vlrm-top --once --stall 100 run
    no grep -q stalled <<<"$output"
}

@test "once: a stage whose status is old is gone, one that has ended has ended; all wait: all are named" {
    made_run
    stage rollout '.time -= 60'
    stage update '.ended = true'
    exits 0 vlrm-top --once run
    [[ $output =~ rollout\ .*\ gone\ .*update\ .*\ ended\  ]]
    no grep -q stalled <<<"$output"
    stage extract '.waits = "output" | .moved -= 80'
    stage rollout '.waits = "policy" | .moved -= 80'
    exits 0 vlrm-top --once run
    grep -qE '^stalled: extract has not moved for [89][0-9] s, it waits for rollout$' <<<"$output"
    grep -qE '^stalled: rollout has not moved for [89][0-9] s, it waits for update$' <<<"$output"
}

@test "without a terminal: a row for each step, then it ends with the run" {
    made_run
    for s in extract rollout reward update; do stage $s '.ended = true'; done
    exits 0 vlrm-top run
    [ "${#lines[@]}" = 14 ]
    [[ ${lines[0]} =~ ^\ +step\ +captions\ +reward\ +sim\ +ref\ +no\ end\ +bad\ +repeat\ +words\ +s/step\ +to\ go$ ]]
    [[ ${lines[1]} =~ ^\ +1\ +4096\ +0.50\ +4.88\ +-2.50\ +0.25\ +0.12\ +0.50\ +11.2\ +4.00 ]]
    says 'the policy may be collapsing'
    for line in "${lines[@]:0:13}"; do [ "${#line}" -le 80 ]; done
}

@test "follow: what is new begins behind --after, though more was there at the start" {
    made_run
    vlrm-top --follow --show rows --after "$(head -n 10 run/metrics.jsonl | wc -c)" run >rows 3>&- &
    eventually 60 grep -q 'may be collapsing' rows
    kill -TERM $!
    wait $!
    [ "$(grep -oE '^ +[0-9]+ +4096' rows | tr -s ' ')" = $' 11 4096\n 12 4096' ]
    vlrm-top --follow --show rows --after 0 run >all 3>&- &
    eventually 60 grep -q 'may be collapsing' all
    kill -TERM $!
    wait $!
    [ "$(grep -cE '^ +[0-9]+ +4096' all)" = 12 ]
}

@test "bad input: no folder, no run, a status of another kind, metrics that are none" {
    exits 2 vlrm-top
    exits 1 vlrm-top --once nowhere
    says 'nowhere'
    mkdir empty
    exits 4 vlrm-top --once empty
    says 'empty: no run of vlrm train'
    made_run
    echo '{"program": 1}' >run/status/reward.json
    exits 6 vlrm-top --once run
    says 'run/status/reward.json'
    echo '{' >run/status/reward.json
    exits 5 vlrm-top --once run
    rm run/status/reward.json
    printf '{"step": 13}\nnothing\n{' >>run/metrics.jsonl
    exits 5 vlrm-top --once run
    says 'run/metrics.jsonl: byte'
    made_run
    printf '{"step": 13' >>run/metrics.jsonl # being written: not yet there
    exits 0 vlrm-top --once run
    mv run $'a\e[2Jrun\n'
    exits 0 vlrm-top --once $'a\e[2Jrun\n'
    says 'a?[2Jrun?  step 12'
}

@test "a terminal of 80 and of 200 columns: frames in place, in colours, no line too long; q ends; NO_COLOR" {
    printf '%s' 'TO QUIT' >press
    export PRESS=$PWD/press
    for columns in 80 200; do
        made_run # anew: a stage that is silent for five seconds counts as gone
        on_terminal $columns vlrm-top --interval 0.05 run
        grep -q $'\033\[H' screen
        grep -q $'\033\[31mstalled: rollout' screen
        [ "$(widest)" -le $columns ]
        grep -q '▁▂▂▃▄▄▅▅▆▇▇█' screen
    done
    grep -q 'on device' screen # where there is room
    grep -q '35.1 tokens/s' screen
    NO_COLOR=1 on_terminal 80 vlrm-top --interval 0.05 run
    no grep -q $'\033\[3' screen
}

@test "README's picture of it is drawn by its script" {
    made_run
    "$ROOT/doc/pictures/top.py" run >top.svg
    python3 - top.svg <<'PYTHON'
import sys, xml.etree.ElementTree as tree
svg = tree.parse(sys.argv[1]).getroot()
words = [(e.get("x"), e.get("y"), e.text) for e in svg.iter("{http://www.w3.org/2000/svg}text")]
texts = [text for _, _, text in words]
assert svg.tag.endswith("svg") and {"run", "rollout", "reward", "update", "entropy", "stalled:"} <= set(texts), texts
assert len({(x, y) for x, y, _ in words}) == len(words)
assert any(e.get("fill") == "#e06c75" for e in svg.iter() if e.text == "stalled:")
bars = [e.get("d") for e in svg.iter("{http://www.w3.org/2000/svg}path")]
assert len(bars) >= 10 and all(d.count("z") == 12 for d in bars), bars
PYTHON
    no "$ROOT/doc/pictures/top.py" nowhere
}

@test "README's pictures of lines are drawn by their script: long ones cut, some left out" {
    PATH=$BIN:$PATH "$ROOT/doc/pictures/lines.py" 50 6 vlrm plan --model "$ORACLE/blip2" --itm "$ORACLE/itm" --batch 8 >plan.svg
    python3 - plan.svg <<'PYTHON'
import sys, xml.etree.ElementTree as tree
words = [e for e in tree.parse(sys.argv[1]).getroot().iter("{http://www.w3.org/2000/svg}text")]
assert len({e.get("y") for e in words}) == 7 and {"options,", "batch", "...", "step"} <= {e.text for e in words}, [e.text for e in words]
assert all(float(e.get("x")) + float(e.get("textLength")) <= 12 + 50 * 8 for e in words)
PYTHON
    no "$ROOT/doc/pictures/lines.py" 50 6 false
}

@test "vlrm train: on a terminal what it will do, then rows; else JSON lines as ever; a collapse is said in both" {
    train=("$ROOT/bin/vlrm" train --model "$ORACLE/blip2" --itm "$ORACLE/itm" --batch 10 --max-steps 3 --collapse-length 50 --max-new-tokens 12)
    "${train[@]}" --run plain "$ORACLE/f64/images" >lines 2>said
    cmp lines plain/metrics.jsonl
    [ "$(grep -c 'step 1: length is outside its limits: .* expected at least 50: the policy may be collapsing' said)" = 1 ]
    for columns in 80 200; do
        on_terminal $columns "${train[@]}" --run run$columns "$ORACLE/f64/images"
        grep -q "run folder.* run$columns" screen
        grep -q "captioner.* $ORACLE/blip2" screen
        grep -q 'parameters' screen
        grep -q "$ORACLE/f64/images" screen
        tr '\r' '\n' <screen | grep -E '^[^a-z]*3 +10 +-?[0-9.]+ +' >row # behind the line that moves
        [ "$(grep -c 'may be collapsing' screen)" = 1 ]
        no grep -q '"step"' screen
        cmp <(jq -c 'del(.seconds, .images_per_second, .peak_memory_mib, .activations_mib)' run$columns/metrics.jsonl) \
            <(jq -c 'del(.seconds, .images_per_second, .peak_memory_mib, .activations_mib)' plain/metrics.jsonl)
    done
}

rows() {
    [ "$(cat run/metrics.jsonl 2>/dev/null | wc -l)" -ge "$1" ]
}

@test "SIGUSR1 to a recipe: it says how far it is, and the training goes on" {
    "$ROOT/bin/vlrm" train --model "$ORACLE/blip2" --itm "$ORACLE/itm" --batch 10 --max-steps 100000 --max-new-tokens 12 --run run "$ORACLE/f64/images" >out 2>said 3>&- &
    recipe=$!
    eventually 60 rows 2
    kill -USR1 $recipe
    for pid in $(pgrep -P $recipe); do kill -USR1 "$pid" || [ ! -e "/proc/$pid" ]; done # as Slurm does to all of a step; some have ended
    eventually 60 grep -qE '^vlrm train: step [0-9]+' said
    eventually 60 grep -qE '^vlrm-update: [0-9]+ captions' run/logs/update.log
    eventually 60 rows $(($(wc -l <run/metrics.jsonl) + 2))
    kill -TERM $recipe
    wait $recipe || [ $? = 75 ]
    exits 0 vlrm-top --once run
    says 'of 100000'
}

@test "vlrm caption: on a terminal an id and a text a line, elsewhere JSON" {
    caption=("$ROOT/bin/vlrm" caption --model "$ORACLE/blip2" --greedy --max-new-tokens 6 "$ORACLE/f64/images/0000.png")
    "${caption[@]}" >lines
    on_terminal 80 "${caption[@]}"
    tr -d '\r' <screen | diff - <(jq -r '"\(.id)  \(.caption)"' lines)
}
