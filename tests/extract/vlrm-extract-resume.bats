#!/usr/bin/env bats
# bats file_tags=asan
# vlrm-extract killed, asked to end, resumed: journals and what they vouch for.
load ../programs/common
load extract

setup_file() {
    cd "$BATS_FILE_TMPDIR" || exit 1
    clip -c:v libx264 -preset veryfast -g 25 -bf 2 -pix_fmt yuv420p h264.mp4
    clip -c:v mpeg4 -g 25 mpeg4.avi
    ffmpeg -nostdin -v error -y -i h264.mp4 -c copy -movflags faststart fast.mp4
}

@test "a shard that never speaks ends at SIGTERM, and is not in the journal" {
    mkfifo silent.tar
    vlrm-extract --journal j "$M/h264.mp4" silent.tar >out.vlrm &
    eventually 60 grep -q h264 j
    kill -TERM $!
    eventually 60 bash -c "! kill -0 $! 2>/dev/null" || { kill -9 $!; return 1; }
    wait $! || status=$?
    [ "$status" -eq 75 ]
    [ "$(wc -l <j)" -eq 1 ]
}

@test "SIGTERM ends the record, the end record says 75, and the cut source is not in the journal" {
    mkfifo pipe
    sleep 1000 >pipe &
    vlrm-extract --journal j "$M/h264.mp4" pipe >out.vlrm &
    eventually 60 grep -q h264 j
    kill -TERM $!
    wait $! || status=$?
    kill %1
    [ "$status" -eq 75 ]
    frames out.vlrm --check
    [ "$(frames out.vlrm --end | jq .status)" -eq 75 ]
    [ "$(wc -l <j)" -eq 1 ]
}

@test "kill -9 at any moment, then --resume: the same records, none twice" {
    mkdir many
    for i in 1 2 3 4 5 6 7 8; do cp "$M/h264.mp4" many/$i.mp4; cp "$M/mpeg4.avi" many/$i.avi; done
    vlrm-extract many | frames /dev/stdin id | sort >want
    for delay in 0.01 0.05 0.1 0.15 0.2; do
        rm -f j all.vlrm
        vlrm-extract --jobs 2 --journal j --append all.vlrm many &
        sleep $delay
        killed $!
        vlrm-extract --jobs 2 --journal j --resume --append all.vlrm many
        frames all.vlrm --check
        diff want <(frames all.vlrm id | sort)
    done
    vlrm-extract --journal j --resume --append all.vlrm many # nothing left to do
    frames all.vlrm --check
    diff want <(frames all.vlrm id | sort)
}

@test "kill -9 at any moment, then --resume with --dedup-all: nothing comes again that one run drops" {
    mkdir many
    for i in 1 2 3 4; do
        cp "$M/h264.mp4" many/$i.mp4
        ffmpeg -nostdin -v error -f lavfi -i "mandelbrot=size=160x120:rate=5:start_scale=$i" -t 3 -c:v libx264 -g 5 many/$i-m.mp4
        cp many/$i-m.mp4 many/9-$i.mp4
    done
    cp many/1.mp4 many/9.mp4
    vlrm-extract --dedup-all many >one.vlrm
    frames one.vlrm id | sort >want
    [ "$(wc -l <want)" -ge 4 ]
    for delay in 0.02 0.05 0.08 0.12; do
        rm -f j all.vlrm
        vlrm-extract --dedup-all --jobs 2 --journal j --append all.vlrm many &
        sleep $delay
        killed $!
        vlrm-extract --dedup-all --jobs 2 --journal j --resume --append all.vlrm many
        frames all.vlrm --check
        diff want <(frames all.vlrm id | sort)
        [ "$(frames all.vlrm --end)" = "$(frames one.vlrm --end)" ]
    done
    # A journal that ends after any of its lines, without --append.
    for n in 1 3 8; do
        head -$n j >part
        vlrm-extract --dedup-all --journal part --resume many >out.vlrm
        [ "$(count)" -eq $(($(wc -l <want) - $(head -$n j | jq -s "map(.frames) | add"))) ]
    done
    rm -f k
    vlrm-extract --journal k many/1.mp4 >out.vlrm
    exits 2 bash -c 'vlrm-extract --dedup-all --journal k --resume many >out.vlrm'
    says 'not written with --dedup-all'
}

@test "a file that is no journal is left as it is" {
    printf '\0\0\0 ftyp' >zeros
    printf 'RIFF\0\0\0\0 no newline' >binary
    printf '{"source":"a","verdict":"complete","frames":1,"missing":0}\0x\n' >hidden
    for f in zeros binary hidden; do
        cp $f before
        exits 1 bash -c "vlrm-extract --journal $f --resume '$M/h264.mp4' >out.vlrm"
        says 'expected {"source"'
        cmp $f before
    done
    for torn in '{' '{"source":"a","verd'; do
        printf '%s' "$torn" >journal
        extract --journal journal --resume "$M/h264.mp4"
        [ "$(jq -r .verdict journal)" = complete ]
    done
}

@test "--retry failed does the damaged ones again" {
    cp "$M/h264.mp4" good.mp4
    head -c 60000 "$M/fast.mp4" >bad.mp4
    exits 3 vlrm-extract --journal j --append all.vlrm good.mp4 bad.mp4
    exits 3 vlrm-extract --journal j --resume --append all.vlrm good.mp4 bad.mp4
    cp "$M/fast.mp4" bad.mp4
    vlrm-extract --journal j --resume --retry failed --append all.vlrm good.mp4 bad.mp4
    frames all.vlrm --check
    [ "$(count all.vlrm)" -eq 8 ]
    [ "$(frames all.vlrm --end | jq .failed)" -eq 0 ]
}

@test "--resume --append: a list may have grown; another Karpathy file is refused, with both digests" {
    printf '%s\n' "$M/h264.mp4" >list
    vlrm-extract --journal j --append o --list list
    printf '%s\n' "$M/mpeg4.avi" >>list
    vlrm-extract --journal j --append o --list list --resume
    [ "$(count o)" -eq 8 ]
    inputs() { vlrm-cat "$1" | head -1 | jq -r ".inputs[] | select(.role == \"$2\").digest"; }
    [ "$(inputs o list)" = "$(vlrm-extract --list list | vlrm-cat | head -1 | jq -r '.inputs[0].digest')" ]
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -frames:v 1 a.jpg
    echo '{"images": [{"filename": "a.jpg", "sentences": [{"raw": "a box"}]}]}' >d.json
    vlrm-extract --journal k --append c --coco d.json
    vlrm-extract --journal k --append c --coco d.json --resume
    mkdir elsewhere
    mv d.json elsewhere
    vlrm-extract --journal k --append c --coco elsewhere/d.json --resume
    cp c c.before
    sed 's/box/dog/' elsewhere/d.json >d.json
    exits 6 vlrm-extract --journal k --append c --coco d.json --resume
    says "c was written from a --coco file of digest $(inputs c coco), this one has "
    cmp c c.before
}

@test "--resume --append with options that the file was not made with is refused, naming both values; the machine's may differ" {
    made='--journal j --append o --size 64 --every 1 --quality 80 --drop-blur'
    # shellcheck disable=SC2086 # words are meant
    vlrm-extract $made "$M/h264.mp4"
    cp j j.before
    cp o o.before
    while IFS='|' read -r options said; do
        # shellcheck disable=SC2086
        exits 6 vlrm-extract $made --resume $options "$M/h264.mp4" "$M/mpeg4.avi"
        says "o was written with $said"
        cmp j j.before
        cmp o o.before
        [ ! -e o.writing ]
    done <<'END'
--size 32|--size 64, now it is 32
--every 2|--every 1.0, now it is 2.0
--encoding png|--encoding jpeg, now it is png
--quality 90|--quality 80, now it is 90
--no-drop-blur|--drop-blur true, now it is false
--max 3|--max 0, now it is 3
--shard 1/2|--shard 0/1, now it is 1/2
END
    cp j k # the journal may lie elsewhere
    vlrm-extract --journal k --append o --size 64 --every 1 --quality 80 --drop-blur --resume --jobs 2 --zstd=3 --deadline 100 \
        --batch 2 "$M/h264.mp4" "$M/mpeg4.avi"
    vlrm-cat o | jq -s -e 'map(select(.frame)) | length == 8'
    vlrm-cat --from=json <(echo '{"id": "x", "frame": {"source": "x"}}') >other
    : >none
    exits 6 vlrm-extract --journal none --resume --append other "$M/h264.mp4"
    says 'other is a stream of stage json, expected one that vlrm-extract has written'
}
