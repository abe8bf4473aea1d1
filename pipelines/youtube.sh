#!/bin/bash
# youtube: extract keyframes of YouTube videos, with the yt-dlp that is installed
#
# usage: vlrm youtube [options] [ID|URL]... [-- EXTRACT-OPTIONS]
#
# Fetches each video with the user's own yt-dlp (whose configuration, cookies included, holds), pipes its bytes into vlrm-extract
# and writes the records to stdout, one segment a video, under the video's id. Without ID or URL their list is read from stdin,
# one a line; one that is given twice is fetched once. A video that cannot be fetched or read is noted in the journal, and the
# others go on.
#
#   --journal FILE   one JSON line a video: source, verdict, frames, missing, and the reason where it is not complete
#   --resume         skip the videos that the journal lists
#   --format F       what to ask yt-dlp for (default: the best single file up to 480 lines)
#   --sleep SEC      pause between videos (default 5)
#   --rate R         limit of the download rate, as yt-dlp understands it: 2M
#   --retries N      how often yt-dlp tries (default 3)
#
# Exit status: 0 clean, 2 wrong usage, 3 when some videos failed, 4 when there was none to fetch, 75 when interrupted (what was
# written is whole: a stream of the videos that were finished). After kill -9 --resume goes on as well, but what was being written
# is cut, and the last video that is whole may not be in the journal: then it comes a second time.
set -u
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/stages.sh" || exit 1
recipe_name=youtube

journal='' resume='' format='b[height<=480]/w' pause=5 rate='' retries=3
items=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) recipe_help "${BASH_SOURCE[0]}"; exit ;;
    --resume) resume=yes ;;
    --journal | --format | --sleep | --rate | --retries)
        [ $# -gt 1 ] || recipe_die "$1 needs a value" 2
        case $1 in --journal) journal=$2 ;; --format) format=$2 ;; --sleep) pause=$2 ;; --rate) rate=$2 ;; --retries) retries=$2 ;; esac
        shift
        ;;
    --) shift; break ;;
    # An id may begin with a hyphen; eleven characters of the id's alphabet are never an option of this recipe.
    -*) [[ $1 =~ ^[A-Za-z0-9_-]{11}$ ]] || recipe_die "unknown option $1; --help lists what there is" 2
        items+=("$1") ;;
    *) items+=("$1") ;;
    esac
    shift
done
extract_options=("$@")
[ -z "$resume" ] || [ -n "$journal" ] || recipe_die '--resume needs --journal FILE' 2
[[ $pause =~ ^[0-9]+(\.[0-9]+)?$ ]] || recipe_die "--sleep: expected seconds, found $pause" 2
[[ $retries =~ ^[0-9]+$ ]] || recipe_die "--retries: expected a number, found $retries" 2
[ ! -t 1 ] || recipe_die 'stdout is a terminal; records are binary: > FILE or | vlrm-cat' 2
if [ -n "$journal" ]; then
    as_path journal
    [ -n "$resume" ] || [ ! -s "$journal" ] || recipe_die "$journal exists already: --resume continues it" 2
    { : >>"$journal"; } 2>/dev/null || recipe_die "cannot write $journal"
    [ ! -s "$journal" ] || [ "$(head -c 1 -- "$journal" | tr '\0' .)" = '{' ] || recipe_die "$journal is not a journal: it does not begin with {"
fi
command -v yt-dlp >/dev/null || recipe_die 'needs yt-dlp, and there is none'

temporary_folder youtube
trap 'rm -rf -- "$folder"' EXIT
exec {folder_lock}>"$folder/lock"
flock -n "$folder_lock"
scratch=$folder/work
mkdir -- "$scratch" || recipe_die "cannot write in $folder"
asked=''
fetch_pids=()
trap 'asked=yes; stop_fetch' INT TERM HUP

# The address of $1, or nothing when it is neither an id nor an address.
address_of() {
    if [[ $1 =~ ^https?://[^[:space:]]+$ ]]; then
        printf '%s\n' "$1"
    elif [[ $1 =~ ^[A-Za-z0-9_-]{11}$ ]]; then
        echo "https://www.youtube.com/watch?v=$1"
    fi
}

# The id that records get: of an address of YouTube the video's, of another the address itself.
id_of() {
    if [[ $1 =~ ^https?://([a-z]+\.)?(youtube\.com/(watch\?(.*\&)?v=|shorts/|embed/|live/)|youtu\.be/)([A-Za-z0-9_-]{11})([^A-Za-z0-9_-].*)?$ ]]; then
        echo "${BASH_REMATCH[5]}"
    else
        printf '%s\n' "$1"
    fi
}

# journal_line SOURCE VERDICT WHY: what vlrm-extract's own line, if there is one, says of frames besides.
journal_line() {
    [ -n "$journal" ] || return 0
    { cat "$scratch/journal" 2>/dev/null || echo '{"frames": 0, "missing": 0}'; } |
        jq -c --arg source "$1" --arg verdict "$2" --arg why "$3" \
            '. + {$source, $verdict} + if $why != "" then {reason: $why} else {} end' >>"$journal" || recipe_die "cannot write $journal"
}

listed() {
    [ -n "$resume" ] && [ -s "$journal" ] && jq -e -Rn --arg source "$1" \
        '[inputs | fromjson? | select(.source == $source)] | length > 0' "$journal" >/dev/null
}

# Fetches address $2 and extracts it under the id $1 into the scratch folder; leaves both statuses in `fetched` and `extracted`, and each
# program's words in its log. Each is a process group of its own, to be stopped with its children, and ends with this shell.
fetch() {
    local options=(--quiet --no-warnings --no-progress --no-playlist --retries="$retries" --format="$format" --output=-)
    [ -z "$rate" ] || options+=(--limit-rate="$rate")
    rm -f -- "$scratch"/*
    mkfifo -- "$scratch/pipe" || recipe_die 'cannot make a pipe'
    set -m
    setpriv --pdeathsig TERM -- yt-dlp "${options[@]}" -- "$2" </dev/null >"$scratch/pipe" 2>"$scratch/fetch.log" &
    fetch_pids=($!)
    setpriv --pdeathsig TERM -- vlrm-extract "${extract_options[@]}" --name "$1" --journal "$scratch/journal" - \
        <"$scratch/pipe" >"$scratch/frames" 2>"$scratch/extract.log" &
    fetch_pids+=($!)
    set +m
    [ -z "$asked" ] || stop_fetch # asked between the two: one would wait for the other
    wait_for "${fetch_pids[0]}"
    fetched=$?
    wait_for "${fetch_pids[1]}"
    extracted=$?
    fetch_pids=()
}

stop_fetch() {
    local pid
    for pid in "${fetch_pids[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done
}

# Passes on whole bytes of a stream, or ends: without its output there is nothing to go on for.
emit() {
    emitted=yes
    cat -- "$1" || recipe_die 'cannot write stdout'
}

# A segment without records that tells those who read on what happened to $1: the status of its end.
emit_end() {
    jq -cn --argjson failed "$1" --argjson status "$2" \
        '{vlrm: 1, stage: "youtube"}, {end: {records: 0, failed: $failed, filtered: 0, status: $status}}' |
        vlrm-cat --from=json >"$scratch/end"
    [ $? = "$2" ] || recipe_die 'vlrm-cat failed' # it ends with the status that the end tells
    emit "$scratch/end"
}

# note_failure SOURCE VERDICT WHY
note_failure() {
    echo "vlrm youtube: $1: $2: $3" >&2
    journal_line "$@"
    failed=$((failed + 1))
}

last_words() {
    grep . "$1" | tail -n 1
}

# What came of the fetch of $1: passes its records on and journals it.
conclude() {
    local verdict
    # An extraction that has enough frames closes the pipe, which yt-dlp calls an error.
    if [ "$fetched" != 0 ] && [ "$extracted" = 0 ] && grep -q 'Broken pipe' "$scratch/fetch.log"; then fetched=0; fi
    verdict=$(jq -r .verdict "$scratch/journal" 2>/dev/null)
    if [ -n "$verdict" ] && [[ $extracted == [03] ]]; then
        emit "$scratch/frames"
    else
        rm -f -- "$scratch/journal" # it did not come to a verdict
        verdict=unreadable extracted=died
    fi
    if [ "$fetched" != 0 ]; then
        [ "$verdict" != complete ] || verdict=damaged
        note_failure "$1" "$verdict" "yt-dlp ended with status $fetched: $(last_words "$scratch/fetch.log")"
    elif [ "$verdict" != complete ]; then
        note_failure "$1" "$verdict" "$(last_words "$scratch/extract.log")"
    else
        journal_line "$1" complete ''
    fi
    [ "$verdict" = complete ] || [ "$extracted" = 3 ] || emit_end 1 3
}

# One id or address, from the list to the journal.
process() {
    local id address
    address=$(address_of "$1") id=$(id_of "$1")
    if listed "$id" || [ -n "${done_ids[$id]-}" ]; then return; fi # ids are unique in a stream
    done_ids[$id]=yes
    if [ -z "$address" ]; then
        rm -f -- "$scratch/journal"
        note_failure "$1" unreadable 'neither a YouTube id (11 letters, digits, - or _) nor an http address'
        emit_end 1 3
        return
    fi
    [ "$fetches" = 0 ] || pause_between
    [ -z "$asked" ] || return 0
    fetches=$((fetches + 1))
    fetch "$id" "$address"
    [ -n "$asked" ] || conclude "$id"
}

# In the background, so that a signal ends the pause.
pause_between() {
    sleep "$pause" &
    wait $!
    kill $! 2>/dev/null
}

declare -A done_ids=()
failed=0 fetches=0 seen=0 emitted=''
take() {
    [ -n "$1" ] || return 0
    seen=$((seen + 1))
    process "$1"
}

if [ "${#items[@]}" -gt 0 ]; then
    for item in "${items[@]}"; do [ -n "$asked" ] || take "$item"; done
else
    exec {list}<&0 </dev/null
    while [ -z "$asked" ] && { read -r -u "$list" item || [ -n "$item" ]; }; do # the last line may lack its newline
        take "${item%$'\r'}"
    done
fi

if [ -n "$asked" ]; then
    emit_end 0 75
    exit 75
elif [ "$seen" = 0 ]; then
    emit_end 0 4
    recipe_die 'nothing to fetch: neither an ID or URL was given nor read from stdin' 4
fi
[ -n "$emitted" ] || emit_end 0 0 # all were listed in the journal: an empty stream is still a stream
[ "$failed" = 0 ] || exit 3
