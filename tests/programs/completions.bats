# Completions of bash, zsh and fish load, and complete an option, a choice and a recipe.

setup() {
    load common
    PATH=$ROOT/bin:$PATH
    at=$ROOT/share/completions
}

# completes WORDS...: what bash offers for the last word, sorted, in one line.
completes() {
    # shellcheck disable=SC2016 # the inner shell's
    bash --norc -c '. "$1"; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _vlrm; printf "%s\n" "${COMPREPLY[@]}" | sort | tr "\n" " "' - "$at/vlrm.bash" "$@"
}

@test "bash" {
    [ "$(completes vlrm-cat --fie)" = '--fields ' ]
    [ "$(completes vlrm cat --bi)" = '--bin ' ]
    [ "$(completes vlrm-cat --bin '')" = 'base64 omit size ' ]
    [ "$(completes vlrm-cat --bin b)" = 'base64 ' ]
    [ "$(completes vlrm evalu)" = 'evaluate ' ]
    [[ $(completes vlrm train --fil) = *--filter* ]]
    cd "$BATS_TEST_TMPDIR"
    touch frames.vlrm
    [ "$(completes vlrm-cat fra)" = 'frames.vlrm ' ]
    for program in "$ROOT"/bin/vlrm-*; do
        bash --norc -c '. "$1"; complete -p "$2"' - "$at/vlrm.bash" "${program##*/}" | grep -q _vlrm
        grep -qE "^#compdef .*${program##*/}( |\$)" "$at/_vlrm"
        grep -qE "^for program in .*\<${program##*/vlrm-}( |\$)" "$at/vlrm.fish"
    done
}

@test "zsh" {
    command -v zsh > /dev/null || skip "no zsh here: its completions were not tested"
    zsh -f -c 'autoload -U compinit; compinit -u -D; . "$1"; _vlrm_options vlrm-cat; _vlrm_choices vlrm-cat --bin' - "$at/_vlrm" > "$BATS_TEST_TMPDIR/out"
    grep -q '^--fields:print only these groups' "$BATS_TEST_TMPDIR/out"
    grep -qx base64 "$BATS_TEST_TMPDIR/out"
}

@test "fish" {
    command -v fish > /dev/null || skip "no fish here: its completions were not tested"
    fish --no-config -c "source $at/vlrm.fish; complete -C 'vlrm-cat --fie'; complete -C 'vlrm evalu'" > "$BATS_TEST_TMPDIR/out"
    grep -q '^--fields' "$BATS_TEST_TMPDIR/out"
    grep -q '^evaluate' "$BATS_TEST_TMPDIR/out"
}
