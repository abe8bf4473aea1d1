#!/usr/bin/env bats
# bats file_tags=asan
# Several vlrm-extract on one journal or file, readers beside them, and what is left when one is killed.
load ../programs/common
load extract

setup_file() {
    cd "$BATS_FILE_TMPDIR" || exit 1
    clip -c:v libx264 -preset veryfast -g 25 -bf 2 -pix_fmt yuv420p h264.mp4
    clip -c:v mpeg4 -g 25 mpeg4.avi
}

# held_open PIPE: a FIFO that never speaks and never ends, until this shell does
held_open() {
    mkfifo "$1"
    exec {hold}<>"$1"
}

@test "a second one on a journal or an --append file ends at once and says who works on it; the first goes on, and when killed is resumed" {
    held_open pipe
    vlrm-extract --journal j --append o "$M/h264.mp4" pipe &
    first=$!
    eventually 60 grep -q h264 j
    cp j j.before
    cp o o.before
    for options in '--journal j' '--journal j --resume' '--journal j --append p' '--journal j --resume --append o' \
        '--journal k --append o' '--journal k --resume --append o'; do
        # shellcheck disable=SC2086 # words are meant
        exits 1 vlrm-extract $options "$M/mpeg4.avi"
        says "process $first works on it"
        cmp j j.before
        cmp o o.before
        [ ! -s k ]
    done
    [ ! -e p ]
    [ ! -e o.writing ]
    killed "$first"
    rm pipe
    vlrm-extract --journal j --resume --append o "$M/h264.mp4" "$M/mpeg4.avi"
    frames o --check
    [ "$(count o)" -eq 8 ]
}

@test "what the first does after a second one came is neither lost nor done twice, though the first is killed" {
    for i in 1 2 3; do cp "$M/h264.mp4" $i.mp4; done
    held_open names
    vlrm-extract --journal j --resume --append o --list names &
    first=$!
    echo 1.mp4 >names
    eventually 60 grep -q 1.mp4 j
    vlrm-extract --journal j --resume --append o 2.mp4 || [ $? -eq 1 ]
    echo 3.mp4 >names
    eventually 60 grep -q 3.mp4 j
    killed $first
    vlrm-extract --journal j --resume --append o 1.mp4 2.mp4 3.mp4
    frames o --check
    [ "$(count o)" -eq 12 ]
}

@test "a reader of a file that is being written, or whose writer was killed, gives its whole records and status 5" {
    for zstd in 0 3; do
        rm -f j o pipe
        held_open pipe
        vlrm-extract --zstd=$zstd --journal j --append o "$M/h264.mp4" pipe &
        eventually 60 grep -q h264 j
        for moment in working killed; do
            [ $moment = working ] || killed $!
            exits 5 bash -c 'vlrm-cat o >lines'
            says 'o: '
            [ "$(jq -s 'map(select(.frame)) | length' lines)" -eq 4 ]
            [ "$(jq -r .frames j)" -eq 4 ]
        done
        exec {hold}>&-
        vlrm-extract --zstd=$zstd --journal j --resume --append o "$M/h264.mp4" "$M/mpeg4.avi"
        vlrm-cat o | jq -s -e 'map(select(.frame)) | length == 8'
    done
}

@test "a reader behind a pipe whose writer is killed ends with status 5, never as if that were the end" {
    held_open pipe
    mkfifo stream
    vlrm-cat stream >lines 2>said &
    reader=$!
    vlrm-extract --journal j "$M/h264.mp4" pipe >stream &
    writer=$!
    eventually 60 grep -q '#3.000' lines
    killed $writer
    status=0
    wait $reader || status=$?
    [ $status -eq 5 ]
    [ "$(jq -s 'map(select(.frame)) | length' lines)" -eq 4 ]
}
