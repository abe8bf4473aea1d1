# Help of one screen and help of everything; manual pages of the formats; --config names what is nobody's option.

setup() {
    load common
    cd "$BATS_TEST_TMPDIR" || return
}

@test "--help is one screen, with at most five options and the way to all of them" {
    local program shown all
    for program in "$BIN"/vlrm-*; do
        "$program" --help > help
        "$program" --help-all > all
        [ "$(wc -l < help)" -le 24 ] || { echo "$program --help has $(wc -l < help) lines"; return 1; }
        [ "$(wc -L < help)" -le 100 ] || { echo "$program --help is $(wc -L < help) columns wide"; return 1; }
        shown=$(grep -cE '^  (-[a-zA-Z0-9], |    )--' help) all=$("$program" --help-options | jq '.options | length')
        [ "$shown" -le 6 ] && [ "$shown" -ge 2 ]
        grep -qE '^      --help-all ' help
        [ "$(grep -cE '^  (-[a-zA-Z0-9], |    )--' all)" = "$all" ]
        [[ $("$program" --help-options | jq '[.options[] | select(.first)] | length') -le 5 ]]
    done
    vlrm-rollout --help | grep -q -- '--policy DIR'
    no grep -q -- --length-penalty <(vlrm-rollout --help)
    grep -q -- --length-penalty <(vlrm-rollout --help-all)
}

@test "every page of formats/ is a manual page of section 5, without a warning" {
    command -v groff > /dev/null || skip "no groff here: pages of section 5 were not formatted"
    local page name
    for page in "$ROOT"/formats/*.md; do
        name=vlrm-$(basename "$page" .md)
        awk -v name="$name" -v version=1 -f "$ROOT/doc/man5.awk" "$page" > page.5
        groff -ww -man -Tutf8 page.5 > text 2> said
        [ ! -s said ] || { cat said; return 1; }
        grep -q "^.SH NAME" page.5
        [ "$(grep -cE '^## ' "$page")" = "$(($(grep -c '^.SH ' page.5) - 3))" ]
    done
    awk -v name=vlrm-caption -v version=1 -f "$ROOT/doc/man5.awk" "$ROOT/formats/caption.md" | grep -A1 '^.TP' > page.5
    # shellcheck disable=SC2016 # backticks of the page
    diff <(sed -n 's/^\\fB\([a-z]*\)\\fR (.*/\1/p' page.5) <(sed -nE 's/^\| `([a-z]+)` \|.*/\1/p' "$ROOT/formats/caption.md")
}

@test "a misspelt key of --config is named, with what was meant; other programs' options are let be" {
    echo '{"learning-rate": 1e-5, "max-new-tokens": 7, "sources": ["a"], "batch": 2}' > good.json
    echo '{"id": "1"}' | vlrm-cat --from=json > in.vlrm
    vlrm-cat --config good.json in.vlrm > out
    echo '{"learning-rat": 1e-5}' > bad.json
    exits 2 vlrm-cat --config bad.json in.vlrm
    says "bad.json: no option learning-rat; did you mean learning-rate?"
    echo '{"colour": "red"}' > bad.json
    exits 2 vlrm-update --config bad.json
    says "bad.json: no program has an option colour"
    exits 2 vlrm-cat --feilds id in.vlrm
    says "no option --feilds; did you mean --fields?"
    exits 2 vlrm-cat --learning-rate 1 in.vlrm
    says "no option --learning-rate"
}

@test "every option of every program is known to --config" {
    local program
    echo '{"id": "1"}' | vlrm-cat --from=json > in.vlrm
    for program in "$BIN"/vlrm-*; do
        "$program" --help-options | jq -c '.options | map(select(.group != "Common") | {(.name): null}) | add' > config.json
        vlrm-cat --config config.json --count in.vlrm > out
    done
}
