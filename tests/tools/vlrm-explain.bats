# vlrm-explain: the paper's Table 1, cell by cell; columns; what is missing. And the word rules through vlrm-reward, case by case.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    small=$ORACLE/blip2
    printf 'an image of\nis talking about\n' > "$TMP/phrases"
}

# by_hand ID TEXT [EOS]: a record with a made-up reward, all of whose words are yet to be judged.
by_hand() {
    jq -cn --arg id "$1" --arg text "$2" --argjson eos "${3:-true}" '{id: $id, caption: {text: $text, eos: $eos},
        reward: {sim: 5.5, ref: -2.25, noeos: 0, bad: [], repeat: [], returns: [], parts: {itm: 5.5, phi: null}, fired: []}}'
}

# judged MODEL [OPTION...]: JSON lines of by_hand to a stream with the word rules applied.
judged() {
    vlrm-cat --from=json | vlrm-reward --recombine --model "$@"
}

table1() {
    by_hand table1 'an image of a man in green shirt and green shirt is talking about a car' | judged "$1" --bad-phrases "$TMP/phrases" > "$TMP/t.vlrm"
    cat > "$TMP/want" <<'END'
token bad repeat ref sim return
an 1 0 -2.25 5.50 -3.75
image 1 0 -2.25 5.50 -2.75
of 1 0 -2.25 5.50 -1.75
a 0 0 -2.25 5.50 -0.75
man 0 0 -2.25 5.50 -0.75
in 0 0 -2.25 5.50 -0.75
green 0 0 -2.25 5.50 -0.75
shirt 0 0 -2.25 5.50 -0.75
and 0 0 -2.25 5.50 -0.75
green 0 0 -2.25 5.50 -0.75
shirt 0 1 -2.25 5.50 -0.75
is 1 0 -2.25 5.50 0.25
talking 1 0 -2.25 5.50 1.25
about 1 0 -2.25 5.50 2.25
a 0 0 -2.25 5.50 3.25
car 0 0 -2.25 5.50 3.25
<eos> 0 0 -2.25 5.50 3.25
END
    vlrm-explain --digits 2 --no-fired --model "$1" "$TMP/t.vlrm" > "$TMP/found"
    [ "$(head -1 "$TMP/found")" = 'table1: "an image of a man in green shirt and green shirt is talking about a car"' ]
    diff "$TMP/want" <(tail -n +2 "$TMP/found" | awk '{$1 = $1; print}')
}

@test "the paper's Table 1, cell by cell" {
    table1 "$small"
    vlrm-explain --model "$small" "$TMP/t.vlrm" | tail -3 > "$TMP/found"
    diff - "$TMP/found" <<'END'
bad "an image of": tokens 0 to 2
repeat "shirt": tokens 10 to 10
bad "is talking about": tokens 11 to 13
END
}

@test "the same under OPT's own vocabulary" {
    [ -e "$ROOT/../shared/tokenizers/opt" ] || skip "no ../shared/tokenizers/opt beside this checkout: OPT's vocabulary was not tested"
    table1 "$ROOT/../shared/tokenizers/opt"
}

@test "records are chosen by id, and one that is not there is said" {
    { by_hand one 'a red circle'; by_hand two 'a blue square'; by_hand three 'a car'; } | judged "$small" > "$TMP/t.vlrm"
    [ "$(vlrm-explain --model "$small" --id three,one "$TMP/t.vlrm" | grep -c '^[a-z]*: "')" = 2 ]
    [ "$(vlrm-explain --model "$small" "$TMP/t.vlrm" | grep -c '^token')" = 3 ]
    exits 3 vlrm-explain --model "$small" --id four "$TMP/t.vlrm"
    says "no record four"
}

@test "values and advantages are shown where they were recorded" {
    by_hand v 'a car' | judged "$small" | vlrm-cat | jq -c 'select(.id) | .value = {values: [1, 2, 3], advantages: [-1, 0.5, 4], normalised: [0, 0, 0]}' |
        vlrm-cat --from=json | vlrm-explain --model "$small" > "$TMP/found"
    [ "$(sed -n 2p "$TMP/found" | awk '{print $7, $8, NF}')" = 'value advantage 8' ]
    [ "$(sed -n 4p "$TMP/found" | awk '{print $7, $8}')" = '2.000 0.500' ]
    rewarded | vlrm-reward --recombine --model "$small" | vlrm-update --model "$small" --off-policy --batch 6 --max-steps 1 --run "$TMP/run" --record "$TMP/rec.vlrm" > "$TMP/m"
    vlrm-explain --model "$small" "$TMP/rec.vlrm" > "$TMP/found"
    [ "$(grep -c '^token.* advantage$' "$TMP/found")" = 6 ]
}

@test "columns stay aligned beside wide characters; control characters are harmless; a terminal gets colours" {
    [ -e "$ROOT/../shared/tokenizers/opt" ] || skip "no ../shared/tokenizers/opt beside this checkout: wide characters were not tested"
    opt=$ROOT/../shared/tokenizers/opt
    by_hand wide $'の é 猫 \e[31m red' | judged "$opt" > "$TMP/t.vlrm"
    vlrm-explain --no-fired --model "$opt" "$TMP/t.vlrm" > "$TMP/found"
    python3 - "$TMP/found" <<'END'
import sys, unicodedata
rows = open(sys.argv[1], encoding="utf-8").read().split("\n")[1:-1]
widths = {sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in row) for row in rows}
assert len(rows) > 6 and len(widths) == 1, (widths, rows)
END
    no grep -q $'\e' "$TMP/found"
    grep -qF '\x1b' "$TMP/found"
    script -qec "vlrm-explain --model $opt $TMP/t.vlrm" /dev/null < /dev/null > "$TMP/terminal"
    grep -qF $'\e[1mtoken' "$TMP/terminal"
    no grep -qF $'\e[31m red' "$TMP/terminal"
}

@test "records without what is shown are counted" {
    { by_hand good 'a car'; echo '{"id": "bare", "caption": {"text": "a car"}}'
      by_hand short 'a car' | jq -c '.caption.tokens = [1, 2] | .reward.bad = [0]'; } | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 3 vlrm-explain --model "$small" "$TMP/in.vlrm"
    says "record bare: no reward"
    says "record short: reward.bad has 1 numbers, expected 2"
    exits 2 vlrm-explain "$TMP/in.vlrm"
    head -c 60 "$TMP/in.vlrm" > "$TMP/cut.vlrm"
    exits 5 vlrm-explain --model "$small" "$TMP/cut.vlrm"
}

# marks TEXT BAD REPEAT: what fires in a caption: matches of phrases and years / repeated words.
marks() {
    local found
    found=$(by_hand m "$1" | judged "$model" --bad-phrases "$TMP/phrases" | vlrm-cat | jq -r 'select(.id) | .reward |
        ([.fired[] | select(.rule != "repeat") | .text] | join("|")) + " / " + ([.fired[] | select(.rule == "repeat") | .text] | join("|"))')
    [ "$found" = "$2 / $3" ] || { printf '%s: found %s, expected %s\n' "$1" "$found" "$2 / $3"; return 1; }
}

@test "hard cases of the word rules, through the program" {
    printf 'an image of\nimage of an\nis talking about\ncar, which\nman\n' > "$TMP/phrases"
    model=$small
    marks 'an image of a car' 'an image of' ''
    marks 'a car is talking about' 'is talking about' ''
    marks 'an image of an image' 'an image of|image of an' 'image'
    marks 'red car, which' 'car, which' ''
    marks 'is talking about 1993' 'is talking about|1993' ''
    marks '1993an image of' '1993' ''
    marks 'in 1993, in the 1990s, 12345' '1993|1990' ''
    marks 'an image of red, an image of red' 'an image of|an image of' 'image'
    marks 'mankind and humans' '' ''
    marks 'is  talking   about' 'is  talking   about' ''
    marks 'café CAFÉ Café' '' 'CAFÉ|Café'
    marks "a man’s car, a man's car" 'man|man' 'car'
}

@test "a token counts once however many phrases it lies in; tokens of split words are all marked" {
    printf 'an image of\nimage of an\n' > "$TMP/phrases"
    by_hand twice 'an image of an unicorn, xylophone xylophone' | judged "$small" --bad-phrases "$TMP/phrases" | vlrm-cat > "$TMP/out"
    jq -es 'map(select(.id))[0].reward | .bad[:5] == [1, 1, 1, 1, 1] and (.bad[5:] | add) == 0' "$TMP/out"
    jq -es 'map(select(.id))[0] | .reward as $r | ($r.fired[] | select(.rule == "repeat")) as $f | $f.end - $f.start > 1 and $r.repeat[$f.start:$f.end] == [range($f.end - $f.start) | 1] and ($r.repeat | add) == $f.end - $f.start' "$TMP/out"
}

@test "captions without end lose noeos, sixty tokens long or empty" {
    { by_hand none '' false; by_hand eos ''; by_hand long 'a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b' false; } |
        judged "$small" | vlrm-cat > "$TMP/out"
    jq -es 'map(select(.id) | .reward | [.noeos, (.returns | length)]) | .[0] == [1, 0] and .[1] == [0, 1] and .[2] == [1, 60]' "$TMP/out"
    jq -es 'map(select(.id)) | .[2].reward | .returns[59] == 5.5 - 2.25 - 1 - .bad[59] - .repeat[59]' "$TMP/out"
}
