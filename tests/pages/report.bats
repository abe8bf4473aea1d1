# vlrm-report: a run, or several, as a page. Opened in Chromium: curves, the slider, captions that look like markup, keys, widths.
# shellcheck disable=SC2016 # the page's scripts and jq have dollars

setup() {
    load ../programs/common
    load pages
    cd "$BATS_TEST_TMPDIR" || return
}

@test "a run by hand: curves are drawn, the slider moves, markup in captions stays text, keys move the readout" {
    frames_make 6
    run_make a 12
    vlrm-report a -o page.html
    browse 'open page.html 1200 900
eval document.title
eval document.querySelectorAll(".plot").length === document.querySelectorAll(".plot[data-drawn=yes]").length && document.querySelectorAll(".plot").length > 10
eval [...document.querySelectorAll(".plot h3")].some(h => h.textContent === "new_measure")
eval document.querySelectorAll("#captions-evaluated .card img").length
eval document.querySelector("#captions-evaluated .card .text").textContent
eval document.querySelectorAll("#captions-evaluated .card .text")[1].textContent
eval document.querySelectorAll("main script, main b b").length
eval document.querySelector("input.steps").focus()
key Home
eval document.querySelector("#captions-evaluated output").textContent + ": " + document.querySelector("#captions-evaluated .card .text").textContent
key ArrowRight
eval document.querySelector("#captions-evaluated output").textContent + ": " + document.querySelector("#captions-evaluated .card .text").textContent
eval document.querySelector("#curves .plot").focus()
key Home
eval document.querySelector("#curves .plot .at").textContent + " " + document.querySelector("#curves .plot .keys b").textContent
key ArrowRight
eval document.querySelector("#curves .plot .at").textContent + " " + document.querySelector("#curves .plot .keys b").textContent
eval document.querySelectorAll("#evaluations .plot .keys b")[0].textContent
eval [...document.images].every(i => i.alt && i.width && i.height)
shot wide.png
open page.html 400 800
eval document.documentElement.scrollWidth <= 400
shot narrow.png
open page.html 1200 900 dark
eval getComputedStyle(document.body).backgroundColor
eval (document.querySelector("header button").click(), getComputedStyle(document.body).backgroundColor)'
    answers_are '"vlrm report: a"' true true 6 '"a red bus at 4"' '"<script>alert(1)</script> at 4"' 0 null '"base: a red bus at -1"' '"step 0: a red bus at 0"' \
        null '"step 1 0.1"' '"step 2 0.2"' '"0.9 [0.8, 1]"' true true '"rgb(21, 23, 27)"' '"rgb(255, 255, 255)"'
    not_blank wide.png
    not_blank narrow.png
    [ "$(grep -o 'alert(' page.html | wc -l)" -gt 0 ]
    no grep -F '<script>alert' page.html
    no grep -E '(src|href)="?https?:' page.html
    grep -q 'Permission is hereby granted' page.html
}

@test "runs side by side, and what a page says is missing" {
    frames_make 3
    run_make a 4
    run_make b 6
    rm -r b/eval
    cp -r a/eval/a a/eval/b
    vlrm-report a b --compare -o page.html
    browse 'open page.html 1200 900
eval [...document.querySelector("#captions-evaluated .card").querySelectorAll(".said > b")].map(b => b.textContent)
eval document.querySelector("#curves .plot .keys").children.length
eval document.querySelector("#missing").textContent.includes("--keep-batches")
eval (s => { s.value = "1"; s.dispatchEvent(new Event("change")); return document.querySelector("#curves .plot .keys").children.length })(document.querySelector("select"))
eval document.querySelector("#trained tbody").textContent'
    answers_are '["a", "b"]' 2 true 1 '"bb66"'
    exits 2 vlrm-report a ./a -o page.html
    says 'two runs are called a'
    # The command that it shows is one to copy, whatever the run is called; a run without a step has no curves.
    mv b "b's run"
    : >"b's run/metrics.jsonl"
    vlrm-report "b's run" -o page.html
    browse 'open page.html 1200 900
eval document.querySelector("#missing").textContent.match(/vlrm cron-eval .*(?= --frames FRAMES)/)[0].slice(21)
eval document.querySelector("#missing").textContent.includes("No step of b\u0027s run")'
    answers_are "\"'b'\\\\''s run=b'\\\\''s run'\"" true
}

@test "a trained run: rewards of kept batches, token by token" {
    oracle=$ROOT/tests/golden/oracle/tiny
    VLRM_THREADS=1 "$ROOT/bin/vlrm" train --run run --model "$oracle/blip2" --itm "$oracle/itm" --batch 4 --max-steps 2 --keep-batches 2 --max-new-tokens 8 \
        "$oracle/f64/images" >metrics
    vlrm-report run -o report.html
    vlrm-report run | cmp - report.html
    browse 'open report.html 1200 900
eval document.querySelectorAll("#captions-rewarded .card").length
eval (document.querySelector("#captions-rewarded .why").click(), document.querySelectorAll("dialog .tokens span").length === document.querySelectorAll("dialog tbody tr").length)
eval document.querySelector("dialog thead").textContent
eval [...document.querySelectorAll("dialog td.token")].every(t => t.textContent && !/^<[0-9]+>$/.test(t.textContent))
key Escape
eval document.querySelector("dialog")'
    answers_are 4 true '"tokenbadrepeatrefsimreturn"' true null
    # What the page says of a token is what the record says.
    vlrm-cat run/batches/step-000002/batch.vlrm | jq -e -s --slurpfile page <(sed -n '/id="data"/{n;p}' report.html) '
        [.[] | select(.id) | {key: .id, value: .reward.returns}] | from_entries as $said |
        [$page[0].sets[0] | .frames as $frames | .entries[] | select(.[2] == 1) | {id: $frames[.[0]].id, returns: .[3].ledger.returns}] |
        length == 4 and all(.[]; (.returns | length) == ($said[.id] | length) and (.returns[0] - $said[.id][0] | fabs) < 1e-3)'
}

# bats test_tags=asan
@test "no run, a run of another version, what is cut or damaged" {
    mkdir empty
    exits 1 vlrm-report empty -o page.html
    says 'empty: no run folder'
    exits 2 vlrm-report -o page.html
    frames_make 3
    run_make a 4
    # The last line may be being written.
    printf '{"step": 5, "rew' >>a/metrics.jsonl
    exits 0 vlrm-report a -o page.html
    head -c 150 a/eval/a/step-4.vlrm >cut.vlrm
    exits 5 vlrm-report a --captions cut.vlrm -o cut.html
    says 'cut.vlrm'
    grep -q cut.vlrm cut.html
    printf '{"vlrm":2,"runs":[]}' >a/eval/a/step-2.json
    exits 6 vlrm-report a -o page.html
    says 'no report of vlrm-eval of version 1'
    sed -i '2s/^/[/' a/metrics.jsonl
    exits 5 vlrm-report a -o page.html
    says 'a/metrics.jsonl: line 2'
    sed -i 's/"version": "0/"version": "7/' a/config.json
    exits 6 vlrm-report a -o page.html
    says 'a run of version 7.1.0'
}
