# vlrm-gallery: any stream as a page, opened in Chromium: filters, sorting, pages of records, captions that look like markup.
# shellcheck disable=SC2016 # the page's scripts and jq have dollars

setup() {
    load ../programs/common
    load pages
    cd "$BATS_TEST_TMPDIR" || return
}

@test "rewards and ranks together: sorted, filtered by text, rule and range; ten thousand records" {
    frames_make 3
    said 1 | jq -c '. + {reward: {sim: (.id[1:] | tonumber), returns: [1, -2, 0.5], bad: [0, 1, 0], repeat: [0, 0, 0], noeos: 0, fired: (if .id == "f1" then [{rule: "bad", text: "x", start: 1, end: 2}] else [] end)}}
        | .caption.tokens = [1, 2, 3]' >rewarded.jsonl
    jq -nc 'range(3; 10000) | {id: "f\(.)", caption: {text: "number \(.)"}, reward: {sim: .}}' >>rewarded.jsonl
    vlrm-cat --from=json rewarded.jsonl >rewarded.vlrm
    echo '{"id":"f2","text":"of the evaluation","rank":17}' >ranks.jsonl
    vlrm-gallery rewarded.vlrm ranks.jsonl -o page.html
    vlrm-gallery <rewarded.vlrm | grep -q 'vlrm gallery'
    browse 'open page.html 1200 900
eval document.title
eval document.querySelectorAll(".card").length
eval document.querySelectorAll(".card .text")[1].textContent
eval document.querySelectorAll(".card .text")[2].textContent + document.querySelectorAll(".card .scores")[2].textContent
eval document.querySelector("main script")
key ArrowRight
eval document.querySelector("output").textContent
eval (s => { s.value = "reward.sim"; s.dispatchEvent(new Event("change")); return document.querySelector(".card .text").textContent })(document.querySelector("select[name=sort]"))
eval (s => { s.value = "bad"; s.dispatchEvent(new Event("change")); return [...document.querySelectorAll(".card .id")].map(x => x.textContent) })(document.querySelector("select[name=rule]"))
eval (document.querySelector(".card .why").click(), [...document.querySelectorAll("dialog td.token")].map(x => x.textContent).join() + document.querySelector("dialog ul").textContent)
key Escape
eval (s => { s.value = ""; s.dispatchEvent(new Event("change")); return document.querySelector("output").textContent })(document.querySelector("select[name=rule]"))
eval (s => { s.value = "reward.sim"; s.dispatchEvent(new Event("change")) })(document.querySelector("select[name=by]"))
eval (s => { s.value = "9990"; s.dispatchEvent(new Event("input")); return document.querySelector("output").textContent })(document.querySelector("input[name=low]"))
eval (s => { s.value = "9995"; s.dispatchEvent(new Event("input")); return [...document.querySelectorAll(".card .id")].map(x => x.textContent) })(document.querySelector("input[name=text]"))
open page.html 400 800
eval document.documentElement.scrollWidth <= 400
shot narrow.png'
    answers_are '"vlrm gallery: 10000 records"' 48 '"<script>alert(1)</script> at 1"' '"of the evaluationreward.sim 2, rank 17"' null '"49 to 96 of 10000"' '"number 9999"' \
        '["f1"]' '"<1>,<2>,<3>bad: “x”, tokens 1 to 1"' '"1 to 48 of 10000"' null '"1 to 10 of 10"' '["f9995"]' true
    not_blank narrow.png
    vlrm-gallery --limit 5 rewarded.vlrm -o few.html
    grep -q 'What follows the first 5 records' few.html
}

# bats test_tags=asan
@test "frames alone; what is cut, empty, of another version, no picture" {
    frames_make 3
    vlrm-cat --from=json frames.jsonl >frames.vlrm
    vlrm-gallery frames.vlrm -o page.html
    [ "$(grep -o '"jpeg":' page.html | wc -l)" = 3 ]
    head -c 600 frames.vlrm >cut.vlrm
    exits 5 vlrm-gallery cut.vlrm frames.vlrm -o cut.html
    says 'cut.vlrm'
    grep -q 'cut.vlrm' cut.html
    exits 5 vlrm-gallery /dev/null -o page.html
    printf '{"vlrm":1,"stage":"x"}\n{"end":{"records":0,"failed":0,"filtered":0,"status":0}}\n' | vlrm-cat --from=json >empty.vlrm
    exits 4 vlrm-gallery empty.vlrm -o none.html
    [ ! -e none.html ]
    printf '\x81\xa4vlrm\x02' >other.vlrm
    exits 5 vlrm-gallery other.vlrm -o none.html
    echo '{"id":"x","frame":{"path":"nowhere.png"}}' | vlrm-cat --from=json >lost.vlrm
    exits 3 vlrm-gallery lost.vlrm -o lost.html
    says 'nowhere.png'
    exits 1 vlrm-gallery nowhere.vlrm -o none.html
}
