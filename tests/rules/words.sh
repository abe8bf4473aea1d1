#!/bin/bash
# Messages and help are plain English: phrases that readers stumbled over do not come back, nothing that is said is a question, and what
# a program or a recipe does begins with a verb.
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
for recipe in pipelines/*.sh; do
    text=$(sed -nE "2s/^# $(basename "$recipe" .sh): //p" "$recipe")
    if [ -n "$text" ]; then verb "$recipe" "$text"; fi
done
rule_end
