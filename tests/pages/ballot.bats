# vlrm-ballot: voted on in Chromium by a script, and counted.
# shellcheck disable=SC2016 # the page's scripts and jq have dollars

setup() {
    load ../programs/common
    load pages
    cd "$BATS_TEST_TMPDIR" || return
}

# Two streams on six frames: of f5 both say the same.
streams_make() {
    frames_make 6
    said 1 | vlrm-cat --from=json >base.vlrm
    said 2 | jq -c 'if .id == "f5" then .caption.text |= sub("2"; "1") else . end' | vlrm-cat --from=json >better.vlrm
}

# votes_make VOTER A B [VALUE...]: votes on f0, f1, ..: the same answer to every question.
votes_make() {
    jq -n --arg voter "$1" --arg a "$2" --arg b "$3" '{vlrm: 1, kind: "votes", a: {name: "x", digest: $a}, b: {name: "y", digest: $b}, voter: $voter,
        votes: [$ARGS.positional | to_entries[] | {id: "f\(.key)", detail: .value, truth: .value, grammar: .value, preference: .value}]}' --args "${@:4}"
}

@test "blind until the end; votes survive a reload, are saved, and are counted for the right stream" {
    streams_make
    vlrm-ballot base.vlrm better.vlrm --frames 5 --seed 3 -o ballot.html
    # The script prefers, by the captions it sees, better.vlrm; in grammar it sees no difference.
    browse 'open ballot.html 1200 900
eval document.title + document.querySelectorAll("main img").length
eval page.innerText.includes("base.vlrm") || page.innerText.includes("better.vlrm")
eval document.querySelector("input[type=radio]").focus()
key  
key ArrowRight
eval document.querySelector("input[name=detail]:checked").value
eval document.querySelector("output").textContent
eval void (globalThis.vote = () => { const left = / at 2$/.test(document.querySelector(".left .text").textContent) ? "left" : "right"; for (const [q] of questions) document.querySelector(`input[name=${q}][value="${q === "grammar" ? "no difference" : left}"]`).click(); })
eval vote()
eval document.querySelector("output").textContent
open ballot.html 400 800
eval document.querySelector("output").textContent
eval document.documentElement.scrollWidth <= 400
shot narrow.png
eval void (globalThis.vote = () => { const left = / at 2$/.test(document.querySelector(".left .text").textContent) ? "left" : "right"; for (const [q] of questions) document.querySelector(`input[name=${q}][value="${q === "grammar" ? "no difference" : left}"]`).click(); })
eval [1, 2, 3, 4].forEach(() => { document.querySelector("button.next").click(); vote(); })
eval new Set(data.frames.map(f => f.swap)).size
eval [...document.querySelectorAll("main script")].length
eval document.querySelector("button.end").click()
eval page.innerText.includes("B was better.vlrm")
eval document.querySelector("button.save").click()
eval votes_file()'
    answers_are '"Which caption is better?1"' false null '"no difference"' '"1 of 5, 0 answered"' null null '"1 of 5, 1 answered"' '"1 of 5, 1 answered"' true null null 2 0 null true null
    not_blank narrow.png
    tail -n 1 answers >votes.json
    vlrm-ballot --count --json votes.json >count.json
    jq -e '.voters == 1 and .frames == 5 and (.questions | .detail.a == 0 and .detail.b == 5 and .preference.b == 5 and .grammar.tie == 5 and .grammar.win_rate == null)' count.json
    vlrm-ballot --count votes.json | grep -qE '^detail +0 +5 +0 +0\.000  0\.000 to 0\.434 +-$'
    # Another seed, the same captions: counted together, if by another voter.
    vlrm-ballot base.vlrm better.vlrm --seed 4 -o other.html
    no cmp -s ballot.html other.html
    jq '.voter = "somebody else"' votes.json >more.json
    vlrm-ballot --count --json votes.json more.json | jq -e '.questions.detail | .b == 10 and .shared == 5 and .alpha == null'
    exits 1 vlrm-ballot --count votes.json votes.json
    says 'by the same voter'
    jq 'del(.voter)' votes.json >nobody.json
    exits 6 vlrm-ballot --count nobody.json
    says 'nobody.json: has no voter'
}

# bats test_tags=asan
@test "the figures: Wilson's interval of 8 of 10, Krippendorff's alpha worked out by hand" {
    # f0: a a, f1: a b, f2: b b. Coincidences o_aa = 2, o_ab = o_ba = 1, o_bb = 2; n_a = n_b = 3: alpha = 1 - 5 * 2 / (2 * 3 * 3) = 4 / 9.
    votes_make one 11 22 a a b >one.json
    votes_make two 11 22 a b b >two.json
    vlrm-ballot --count --json one.json two.json | jq -e '.questions.truth | (.alpha - 4 / 9 | fabs) < 1e-6 and .shared == 3 and .a == 3'
    # 8 of 10 at 95 %: 0.4902 to 0.9433 (Newcombe 1998's method 3); ties take no part.
    votes_make three 11 22 a a a a a a a a b b tie >three.json
    vlrm-ballot --count --json three.json | jq -e '.questions.detail | .win_rate == 0.8 and (.low - 0.4902 | fabs) < 5e-5 and (.high - 0.9433 | fabs) < 5e-5 and .tie == 1 and .alpha == null'
}

# bats test_tags=asan
@test "votes of other streams, damaged votes, streams of other frames, a cut stream" {
    votes_make one 11 22 a b >one.json
    votes_make two 11 33 a b >two.json
    exits 6 vlrm-ballot --count one.json two.json
    says 'two.json: votes on other captions: b has the digest 33'
    votes_make three 11 22 a nobody >three.json
    exits 5 vlrm-ballot --count one.json three.json
    says 'detail of f1 is nobody, expected a, b or tie'
    echo '{"vlrm": 2, "kind": "votes"}' >next.json
    exits 6 vlrm-ballot --count next.json
    exits 2 vlrm-ballot --count
    exits 2 vlrm-ballot one.json
    streams_make
    jq -nc '{id: "elsewhere", caption: {text: "a bus"}}' >other.jsonl
    exits 6 vlrm-ballot base.vlrm other.jsonl -o page.html
    says 'no frame is in both'
    exits 2 vlrm-ballot base.vlrm <(cat base.vlrm) -o page.html
    says 'a stream is read twice: give a file, no pipe'
    exits 4 vlrm-ballot base.vlrm base.vlrm -o page.html
    says 'nothing to vote on'
    head -c 600 better.vlrm >cut.vlrm
    exits 5 vlrm-ballot base.vlrm cut.vlrm -o page.html
    [ ! -e page.html ]
    exits 2 vlrm-ballot - base.vlrm
}
