#!/bin/bash
# caption: write captions for every image, and for every frame of a video, as JSON lines or where trainers look for them
#
# usage: vlrm caption --model DIR [options] SOURCE...
#
# SOURCE is what vlrm-extract takes: a folder of images or videos, files, shards; - for one file on stdin. One line a caption, as it
# comes: {"id": .., "caption": ..}; on a terminal its id and text. Other options are those of vlrm-extract and vlrm-rollout: --policy RUN/policy/latest captions with
# a trained policy, --max 1 takes one frame of every video, --sample --num-return 3 gives three captions of each.
#
#   --output FILE        append the lines to FILE instead
#   --resume             go on with FILE, or with the shards of --webdataset: what they have is not captioned again
#   --to csv|coco        print a table (id, caption, scores), or COCO's result list
#   --write KIND         write each caption beside its picture: NAME.txt, NAME.caption or NAME.json (txt, caption, json) ..
#   --skip-existing      .. not captioning pictures that have one: so a run that was stopped goes on
#   --append, --overwrite  .. adding to a file that is there, or replacing it; else it is a failure
#   --prefix TEXT        put TEXT before each caption in these files and in shards
#   --webdataset DIR     write pictures and captions as tar shards: DIR/00000.tar ..; a shard is closed at
#                        --shard-samples N (10000) or --shard-bytes N
#   --score              add to each caption its ITM logit (--itm DIR) and its CLIP cosine (--clip DIR)
#   --best-of N          sample N captions of each picture (--temperature 1), and keep the one with the highest logit (cosine,
#                        without --itm)
#   --dedup              pictures that look like an earlier one are left out and counted
#
# Exit status: 0; 3: some pictures could not be read or captioned, and are named; 75: interrupted, the same command with --resume or
# --skip-existing goes on.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
recipe_name=caption
extract=() rollout=() reward=() files=() sources=()
output='' resume='' to='' kind='' skip='' score='' best='' shards=''

usage() {
    echo "vlrm caption: $1; see vlrm caption --help" >&2
    exit 2
}

# Hands the option at the front to each program that knows it. Returns how many words it has.
take_option() {
    local name=${1#--} taken=1 program kind known=0
    name=${name%%=*}
    for program in extract rollout reward; do
        local -n list=$program
        kind=${takes["vlrm-$program $name"]-}
        [ -n "$kind" ] || [[ $name != no-* ]] || kind=${takes["vlrm-$program ${name#no-}"]-}
        [ -n "$kind" ] || continue
        known=1
        list+=("$1")
        if [ "$kind" = 0 ] || [[ $1 = *=* ]]; then continue; fi
        [ $# -gt 1 ] || usage "$1 needs a value"
        list+=("$2")
        taken=2
    done
    [ "$known" = 1 ] || usage "no stage has an option --$name"
    return "$taken"
}

# want_one_of OPTION VALUE WORD...: the value is one of these words.
want_one_of() {
    case " ${*:3} " in *" $2 "*) ;; *) usage "$1: '$2' is not one of ${*:3}" ;; esac
}

case ${1-} in --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;; esac
options_read vlrm-extract vlrm-rollout vlrm-reward
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) recipe_help "${BASH_SOURCE[0]}"; exit ;;
    --zstd | --zstd=* | --journal | --journal=* | --recombine | --status-file | --status-file=*) usage "$1 cannot be used here" ;;
    --output | --to | --write | --prefix | --webdataset | --shard-samples | --shard-bytes | --best-of | --itm | --clip)
        [ $# -gt 1 ] || usage "$1 needs a value"
        set -- "$1=$2" "${@:3}"
        continue
        ;;
    --output=*) output=${1#*=} ;;
    --resume) resume=yes ;;
    --to=*) to=${1#*=} && want_one_of --to "$to" csv coco ;;
    --write=*) kind=${1#*=} && want_one_of --write "$kind" txt caption json && files+=("$1") ;;
    --skip-existing) skip=yes && files+=("$1") ;;
    --append | --overwrite | --prefix=* | --shard-samples=* | --shard-bytes=*) files+=("$1") ;;
    --webdataset=*) shards=${1#*=} && as_path shards && files+=("--webdataset=$shards") ;;
    --score) score=yes ;;
    --itm=* | --clip=*) score=yes && reward+=("$1") ;;
    --best-of=*)
        best=${1#*=}
        [[ $best =~ ^[1-9][0-9]{0,3}$ ]] || usage "--best-of: '$best' is no number from 1 to 9999"
        ;;
    --dedup) extract+=(--dedup-all) ;;
    --) shift; sources+=("$@"); break ;;
    -m) shift; set -- --model "$@"; continue ;;
    -j) shift; set -- --jobs "$@"; continue ;;
    -v | --verbose) extract+=(-v) rollout+=(-v) reward+=(-v) ;;
    --?*) take_option "$@" || shift $(($? - 1)) ;; # it returns 1 or 2
    -?*) usage "no option $1" ;;
    *) sources+=("$1") ;;
    esac
    shift
done
[ "${#sources[@]}" -gt 0 ] || [[ " ${extract[*]-} " = *' --list'* || " ${extract[*]-} " = *' --coco'* ]] || usage "which images or videos?"

scorers=" ${reward[*]-}"
[ -z "$best$score" ] || [[ $scorers = *' --itm='* || $scorers = *' --clip='* ]] || usage '--score and --best-of need --itm DIR or --clip DIR'
[ -z "$resume" ] || [ -n "$output$shards" ] || usage '--resume needs --output FILE or --webdataset DIR; what --write has written is known by --skip-existing'
[ -z "$output" ] || [ -z "$to" ] || usage '--output has lines of JSON; --to prints'
[ -z "$skip" ] || [ -n "$kind" ] || usage '--skip-existing is for --write'
key=reward.parts.itm
if [ -n "$best$score" ]; then
    score=yes
    [[ $scorers = *' --itm='* ]] || { key=reward.parts.cosine; reward+=(--no-itm); }
    reward+=(--no-ref)
    # Batches are what Phi is over, which nobody asks for here; smaller ones hold back fewer lines.
    [[ $scorers != *' --clip='* ]] || reward+=(--batch=16)
fi
returns=1
if [ -n "$best" ]; then
    files+=("--best=$key")
    rollout+=("--num-return=$best")
    if [[ $best != 1 && " ${rollout[*]} " != *' --sample '* && " ${rollout[*]} " != *' --num-beams'* ]]; then
        rollout+=(--sample)
        [[ " ${rollout[*]}" = *' --temperature'* ]] || rollout+=(--temperature 1) # the default is training's, for which variety counts more
    fi
else
    returns=$(printf '%s\n' "${rollout[@]}" | sed -n '/^--num-return$/{n;p};s/^--num-return=//p' | tail -n 1)
fi
[[ ${returns:=1} =~ ^[0-9]+$ ]] || returns=1

temporary_folder caption
stages_begin caption "$folder"

# What earlier runs have done: ids, for vlrm-extract --except. Of several captions of one picture all must be there.
done_ids() {
    if [ -n "$output" ] && [ -e "$output" ]; then
        jq -cR --argjson returns "$returns" 'fromjson? | .id? | strings' "$output" |
            jq -c --argjson returns "$returns" -n 'if $returns == 1 then inputs | {id: .} else
                reduce inputs as $id ({}; .[$id | sub("~[0-9]+$"; "")] += 1) | to_entries[] | select(.value >= $returns) | {id: .key} end'
    fi
    if [ -n "$shards" ] && [ -d "$shards" ]; then
        find "$shards/" -maxdepth 1 -name '[0-9]*_stats.json' -exec jq -c '.ids[]? | {id: .}' {} + 2>/dev/null
    fi
}

# The lines go behind those that FILE has; one that a killed run has not finished is cut off.
if [ -n "$output" ]; then
    as_path output
    [ -n "$resume" ] || [ ! -s "$output" ] || usage "$output exists already: --resume continues it"
    exec {lines_to}>>"$output" || recipe_die "cannot write $output"
    flock -n "$lines_to" || recipe_die "$output is being written by another process"
    if [ -s "$output" ] && [ "$(tail -c 1 -- "$output" | od -An -tx1 | tr -d ' ')" != 0a ]; then
        torn=$(tail -n 1 -- "$output" | wc -c)
        truncate -s "-$torn" -- "$output" || recipe_die "cannot shorten $output"
    fi
fi
if [ -n "$resume" ]; then
    done_ids >"$folder/done" || recipe_die "cannot read what $output$shards has"
    [ -z "$shards" ] || files+=(--resume)
    extract+=("--except=$folder/done")
fi
[ -z "$skip" ] || extract+=("--without=$kind")

# The lines of vlrm-cat become a caption's: its id, its text, its scores; a record without a caption has none.
# shellcheck disable=SC2016 # it is the stage's shell that reads this
case $to:$score in
csv:*) print=(vlrm-cat --to=csv --fields "caption.text${score:+,reward.parts.itm,reward.parts.cosine}") shape=(cat) ;;
coco:*) print=(vlrm-cat --to=coco) shape=(cat) ;;
:yes)
    print=(vlrm-cat --fields 'id,caption.text,reward.parts.itm,reward.parts.cosine')
    shape=(jq -c --unbuffered 'select(.id and .caption) | {id, caption: .caption.text} + (.reward.parts // {} | with_entries(select(.value != null)))')
    ;;
*)
    print=(vlrm-cat --fields 'id,caption.text')
    shape=(sed -unE 's/^(\{"id": ".*"), "caption": \{"text": (".*")\}\}$/\1, "caption": \2}/p')
    ;;
esac
print+=("${files[@]}")
# On a terminal a line is for people: what commands a terminal is shown as "?".
if [ -t 1 ] && [ -z "$output$to$score" ]; then
    shape=(jq -r --unbuffered 'select(.caption) | "\(.id)  \(.caption.text)" | gsub("[[:cntrl:]]"; "?")')
fi

# On a terminal that does not show the captions: how many, of how many where that is known, how fast, and how long yet.
progress=(cat)
if [ -t 2 ] && [ ! -t 1 ]; then
    total=$(vlrm-extract "${extract[@]}" --dry-run -- "${sources[@]}" 2>/dev/null </dev/null |
        jq -rn --argjson each "$([ -n "$best" ] && echo 1 || echo "$returns")" 'reduce (inputs.source? // empty) as $s ([0, 0];
            .[0] += 1 | .[1] += ($s | test("\\.(jpe?g|png|webp)$"; "i") | if . then 1 else 0 end)) |
            if .[0] == .[1] then .[0] * $each else 0 end') # of a video nobody knows its frames yet
    exec {terminal}>&2
    # shellcheck disable=SC2016 # a stage's shell reads it
    progress=("$BASH" -c 'n=0
        while IFS= read -r line; do
            printf "%s\n" "$line" || exit 1
            n=$((n + 1)) now=$((SECONDS > 0 ? SECONDS : 1))
            [ "$1" -gt 0 ] && text=" of $1, $((n / now)).$((n * 10 / now % 10))/s, $((($1 - n) * now / n)) s to go" || text=", $((n / now)).$((n * 10 / now % 10))/s"
            printf "\r%d captions%s \033[K" "$n" "$text" >&"$2"
        done
        printf "\r\033[K" >&"$2"' progress "${total:-0}" "$terminal")
fi
# shellcheck disable=SC2016 # it is the stage's shell that reads this
lines='split() { words=(); while [ "$1" != "$mark" ]; do words+=("$1"); shift; done; }
    mark=$1; shift
    split "$@"; print=("${words[@]}"); shift $((${#words[@]} + 1))
    split "$@"; shape=("${words[@]}"); shift $((${#words[@]} + 1))
    "${print[@]}" | "${shape[@]}" | "$@"
    statuses=("${PIPESTATUS[@]}")
    [ "${statuses[0]}" = 0 ] || exit "${statuses[0]}"
    for status in "${statuses[@]:1}"; do case $status in 0 | 141) ;; *) exit 1 ;; esac; done'

stage extract 1 vlrm-extract "${extract[@]}" -- "${sources[@]}"
stage rollout all vlrm-rollout "${rollout[@]}"
[ -z "$score" ] || stage reward all vlrm-reward "${reward[@]}"
stage lines 1 bash -c "$lines" lines $'\1' "${print[@]}" $'\1' "${shape[@]}" $'\1' "${progress[@]}"
# shellcheck disable=SC2119
if [ -n "$output" ]; then stages_run >&"$lines_to"; else stages_run; fi
status=$?
# What of a long run only its log has: each picture that could not be read.
if [ "$status" = 3 ]; then
    grep -E ': (unreadable|damaged|timed out|too large): ' "$folder/logs/extract.log" | head -n 20 >&2
fi
if [ "$status" = 0 ]; then rm -rf -- "$folder"; else temporary_folder_end; fi
exit "$status"
