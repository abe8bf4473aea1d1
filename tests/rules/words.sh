#!/bin/bash
# Messages and help are plain English: phrases that readers stumbled over do not come back, nothing that is said is a question, and what
# a program, an option or a recipe does begins with a verb.
. "$(dirname "$0")/common.bash"

riddles='passed over|exclude (one|each) an?other|is none of|goes on with it|going on after|so it is with|what stands there|made anew|likeliest'

# Text in quotes of sources and recipes, comments aside.
while IFS=: read -r file line text; do
    broken "$file:$line: say it plainly:$text"
done < <(grep -nE "\"[^\"]*($riddles)[^\"]*\"" -r src lib world --include='*.[ch]'; grep -nE "^[^#]*['\"][^#]*($riddles)" pipelines/*.sh bin/vlrm)

while IFS=: read -r file line text; do
    broken "$file:$line: a message states what is wrong, it does not ask:$text"
done < <(grep -nE '(usage_error|error_set|die|warn)\(.*\b(which|what|who)\b[^"]*\?"' -r src lib world --include='*.c')

# verb FILE SUMMARY: its first word is one of these.
verb() {
    case ${2%% *} in
    *[!a-z]* | a | an | the | true | keyframes | phrases | text | is | do | captions | what) broken "$1: what it does begins with a verb, not '${2%% *}'" ;;
    esac
}

while IFS=: read -r file text; do
    text=${text#*\"}
    verb "$file" "${text%%\"*}"
done < <(grep -E '^ *\.summary = "' -r src world --include='*.c')

# An option's text says what the option does: its first word is one of these, and another verb is welcome here.
verbs=' accept add allow ask attach begin build call caption check choose clamp close combine compare compress compute continue copy count crop cut decode
discount divide do document draw end exit export extract follow forbid give hold judge keep learn leave let look make measure multiply name
print publish punish put read refuse render replace report resample resize reward sample save say scale score search seed set show shrink
shuffle skip start stop store sum take teach train update use warn weigh work write '
for source in src/*/vlrm-*.c world/vlrm-*.c; do
    program=bin/$(basename "$source" .c)
    [ -x "$program" ] || { broken "$program is not built"; continue; }
    while IFS=$'\t' read -r option text; do
        [[ ${verbs//$'\n'/ } = *" ${text%%[ ,]*} "* ]] || broken "$source: --$option: its text begins with a verb, not '${text%% *}'"
    done < <("$program" --help-options </dev/null | jq -r '.options[] | [.name, .help] | @tsv')
done

for recipe in pipelines/*.sh; do
    text=$(sed -nE "2s/^# $(basename "$recipe" .sh): //p" "$recipe")
    if [ -n "$text" ]; then verb "$recipe" "$text"; fi
done
rule_end
