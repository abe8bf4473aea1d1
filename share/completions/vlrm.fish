# Completion of vlrm and its programs in fish: options, with what they mean, out of each program's own --help-options. Needs jq.

function __vlrm_options --argument-names program
    command $program --help-options 2>/dev/null | jq -r '.options[] | "--\(.name)\t\(.help)"'
end

function __vlrm_choices --argument-names program
    set -l before (commandline -opc)[-1]
    command $program --help-options 2>/dev/null | jq -r --arg name (string replace -r '^--' '' -- $before) '.options[] | select(.name == $name) | .choices // [] | .[]'
end

for program in ballot cat cmp diff doctor eval explain extract gallery ngrams report reward rollout tokenize top update weights world-captions world-pretrain world-render world-score
    complete -c vlrm-$program -n 'string match -q -- "-*" (commandline -ct)' -a "(__vlrm_options vlrm-$program)"
    complete -c vlrm-$program -n 'not string match -q -- "-*" (commandline -ct)' -a "(__vlrm_choices vlrm-$program)"
    complete -c vlrm -n "__fish_seen_subcommand_from $program; and string match -q -- '-*' (commandline -ct)" -a "(__vlrm_options vlrm-$program)"
end
complete -c vlrm -n __fish_use_subcommand -a "(vlrm --help 2>/dev/null | string replace -rf '^  ([a-z-]+) +(.*)' '\$1\t\$2')"
