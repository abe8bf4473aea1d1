# shellcheck shell=bash disable=SC2207 # candidates are words
# Completion of vlrm and its programs in bash: options with their choices out of each program's own --help-options (so they are never
# out of date), recipes and programs after `vlrm`. Sourced by bash-completion, or by hand: . vlrm.bash. Needs jq.

declare -gA _vlrm_known=()

# _vlrm_table PROGRAM: its options, "NAME TYPE CHOICES" a line; asked once a shell.
_vlrm_table() {
    if [ -z "${_vlrm_known[$1]-}" ]; then
        _vlrm_known[$1]=$("$1" --help-options 2>/dev/null | jq -r '.options[] | "--\(.name) \(.type) \(.choices // [] | join(","))"')
    fi
    printf '%s\n' "${_vlrm_known[$1]}"
}

# The options that a recipe's help names.
_vlrm_recipe_options() {
    vlrm "$1" --help 2>/dev/null | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u
}

# _vlrm_program PROGRAM WORD BEFORE: candidates for WORD.
_vlrm_program() {
    local program=$1 word=$2 before=$3 name type choices
    while read -r name type choices; do
        if [ "$name" != "$before" ] || [ "$type" = flag ]; then continue; fi
        if [ -n "$choices" ]; then
            COMPREPLY=($(compgen -W "${choices//,/ }" -- "$word"))
        else
            COMPREPLY=($(compgen -f -- "$word"))
        fi
        return
    done < <(_vlrm_table "$program")
    case $word in
    -*) COMPREPLY=($(compgen -W "$(_vlrm_table "$program" | cut -d ' ' -f 1)" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}

_vlrm() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} name=${COMP_WORDS[1]-}
    COMPREPLY=()
    if [ "${COMP_WORDS[0]##*/}" != vlrm ]; then
        _vlrm_program "${COMP_WORDS[0]}" "$word" "$before"
    elif [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "--help --version $(vlrm --help 2>/dev/null | sed -nE 's/^  ([a-z-]+) .*/\1/p')" -- "$word"))
    elif command -v "vlrm-$name" >/dev/null; then
        _vlrm_program "vlrm-$name" "$word" "$before"
    elif [[ $word = -* ]]; then
        COMPREPLY=($(compgen -W "$(_vlrm_recipe_options "$name")" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}

complete -o filenames -F _vlrm vlrm vlrm-ballot vlrm-cat vlrm-cmp vlrm-diff vlrm-doctor vlrm-eval vlrm-explain vlrm-extract \
    vlrm-gallery vlrm-ngrams vlrm-report vlrm-reward vlrm-rollout vlrm-tokenize vlrm-top vlrm-update vlrm-weights vlrm-world-captions \
    vlrm-world-pretrain vlrm-world-render vlrm-world-score
