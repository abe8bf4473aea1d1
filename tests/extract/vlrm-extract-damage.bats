#!/usr/bin/env bats
# bats file_tags=asan
# vlrm-extract on files that are cut, changed or made of parts: what is missing is said, what is whole comes out.
load ../programs/common
load extract

setup_file() { make_clips; }

@test "a program stream cut within a packet is damaged, one without an end code is not" {
    for format in vob mpeg; do
        ffmpeg -nostdin -v error -y -i "$M/mpeg2.ts" -f lavfi -i sine=duration=4 -c:v mpeg1video -c:a mp2 -f $format whole
        extract whole
        cat whole <(printf '\0\0\1\xb9') >ended
        extract ended
        cat whole <(head -c 100 /dev/zero) >stuffed
        extract stuffed
        for cut in 1 3 5 7 500 1000 3001 20011; do
            head -c -$cut whole >part
            exits 3 bash -c "vlrm-extract part >out.vlrm"
            says 'its last packet lacks'
        done
    done
}

# bats test_tags=slow
@test "containers that end before they say they do are damaged, whether their writer could seek or not" {
    while read -r format seekable arguments; do
        whole=whole
        [ "$seekable" = yes ] || whole=pipe:1
        # shellcheck disable=SC2086 # options, and sound: a cut may lie where the video is whole
        ffmpeg -nostdin -v error -y -i "$M/mpeg2.ts" -f lavfi -i sine=duration=4 -g 12 $arguments -f "$format" $whole >whole.pipe
        [ "$seekable" = yes ] || mv whole.pipe whole
        extract whole
        if [ $format$seekable = asfno ]; then # without the mark of 12 bytes that FFmpeg adds and ASF does not know
            truncate -s -12 whole
            extract whole
        fi
        size=$(stat -c %s whole)
        for cut in 1 7 100 $((size / 10)) $((size / 4)) $((size * 3 / 4)); do
            head -c -$cut whole >part
            exits 3 bash -c "vlrm-extract part >out.vlrm" || { echo "$format ($seekable) without its last $cut bytes of $size"; return 1; }
            grep -qE 'damaged|unreadable' <<<"$output"
        done
    done <<'E'
ogg yes -an -c:v libtheora
asf yes -an -c:v wmv2
asf no -c:v wmv2
gif yes -an
flv yes -an -c:v flv1
mxf yes -an -c:v mpeg2video
mxf no -an -c:v mpeg2video
avi yes -c:v mpeg4 -c:a mp2
avi no -c:v mpeg4 -c:a mp2
nut yes -c:v mpeg4 -c:a mp2
mp4 no -movflags frag_keyframe+empty_moov -c:v mpeg4 -c:a aac
yuv4mpegpipe no -an -t 1
dv yes -an -t 1 -s 720x576 -pix_fmt yuv420p -c:v dvvideo
E
}

@test "chained Ogg: every link comes out whole, whatever its serial number and size" {
    clip -c:v libtheora -g 25 one.ogg
    size=320x240 clip -c:v libtheora -g 50 -q:v 9 -pix_fmt yuv444p -serial_offset 7 two.ogg
    for links in 'one one' 'one two' 'two one'; do
        read -r a b <<<"$links"
        cat $a.ogg $b.ogg >chain.ogg
        extract --encoding png chain.ogg
        frames out.vlrm --check
        frames out.vlrm pts width >have
        frames out.vlrm --save have
        for f in $a $b; do vlrm-extract --encoding png $f.ogg >$f.vlrm && frames $f.vlrm pts width; done >want
        diff want have
        frames $b.vlrm --save want
        cmp want1.png have$(($(wc -l <have) - $(count $b.vlrm) + 1)).png
        extract --every 1 chain.ogg
        [ "$(count)" -eq 8 ]
        head -c -100 chain.ogg >part
        exits 3 bash -c "vlrm-extract part >out.vlrm"
    done
}

# bats test_tags=slow
@test "a file cut anywhere gives the frames it has, says so, and exits 3" {
    for f in fast.mp4 frag.mp4 vp9.webm av1.mkv mpeg4.avi mpeg2.ts; do
        whole=$(stat -c %s "$M/$f")
        for percent in 8 35 60 97; do
            head -c $((whole * percent / 100)) "$M/$f" >part
            exits 3 bash -c "vlrm-extract part >out.vlrm"
            frames out.vlrm --check
            says damaged
            [ "$(count)" -le 4 ]
            [ "$(count)" -ge $((percent * 4 / 100)) ] || { echo "$f $percent $(count)"; return 1; }
        done
    done
    # all packets are there, and the index behind them is not whole
    for f in vp9.webm av1.mkv; do
        head -c -1 "$M/$f" >part
        exits 3 bash -c "vlrm-extract part >out.vlrm"
        says 'its segment promises'
        [ "$(count)" = "$(probe "$M/$f" | wc -l)" ]
        cat "$M/$f" - <<<more >part # what follows a segment is not its own
        extract part
    done
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -c copy -f matroska - >live # to a pipe: of unknown length
    extract live
    # its index is at the end
    head -c 5000 "$M/h264.mp4"  >trunk
    exits 3 bash -c "vlrm-extract trunk >out.vlrm"
    says unreadable
}

# bats test_tags=slow
@test "flipped bytes, other files, nothing: a verdict each, and the rest goes on" {
    /usr/bin/python3 - "$M/fast.mp4" <<'P'
import random, sys
random.seed(3)
data = bytearray(open(sys.argv[1], "rb").read())
for i in range(40):
    data[random.randrange(6000, len(data))] ^= 0xff
open("flipped.mp4", "wb").write(data)
P
    echo hello >text.mp4
    : >zero.mp4
    exits 3 bash -c "vlrm-extract --journal j flipped.mp4 text.mp4 zero.mp4 absent.mp4 '$M/hevc.mp4' >out.vlrm"
    frames out.vlrm --check
    [ "$(jq -r .verdict j | tr '\n' ' ')" = "damaged unreadable unreadable unreadable complete " ]
    [ "$(jq -s '.[0].missing + .[0].frames' j)" -eq 4 ]
    [ "$(jq -s '.[4].frames' j)" -eq 4 ]
    # a stream of records is no video, though there are frames in it
    vlrm-extract "$M/hevc.mp4" >frames.mp4
    vlrm-extract --zstd=3 "$M/hevc.mp4" >packed.mp4
    for source in frames.mp4 packed.mp4 '- <frames.mp4'; do
        exits 3 bash -c "vlrm-extract $source >out.vlrm"
        says 'a stream of records or a zstd file, expected a video or an image'
        [ "$(vlrm-cat --count out.vlrm)" = 0 ]
    done
    exits 4 bash -c "vlrm-extract - </dev/null >out.vlrm"
    mkdir empty
    exits 4 bash -c "vlrm-extract empty >out.vlrm"
}

@test "a raw stream, which has no time stamps, is complete; recovery points of gradual refresh are not called keyframes" {
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -c copy -f h264 raw.h264
    extract --journal j raw.h264
    [ "$(count)" -eq 4 ]
    [ "$(jq -r .verdict j)" = complete ]
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=160x120:rate=25:duration=3 -c:v libx264 -preset veryfast \
        -x264-params intra-refresh=1:keyint=25 refresh.mp4
    exits 3 bash -c 'vlrm-extract --journal k refresh.mp4 >out.vlrm'
    [ "$(count)" -eq 1 ]
    [ "$(jq -c '[.frames, .missing]' k)" = "[1,$(($(probe refresh.mp4 | wc -l) - 1))]" ]
    grep -q 'gradual refresh' k
    extract --every 1 refresh.mp4
    [ "$(count)" -eq 3 ]
    # interlaced, where the decoder itself says nothing of it; and keyframes that are no IDR, or of several slices, are whole
    interlaced() { clip -vf setfield=tff -flags +ildct+ilme -c:v libx264 -preset veryfast -x264-params "tff=1:keyint=25:$1" "$2"; }
    interlaced intra-refresh=1 refresh.ts
    ffmpeg -nostdin -v error -i refresh.ts -c copy refresh.mkv
    for f in refresh.ts refresh.mkv; do
        exits 3 bash -c "vlrm-extract $f >out.vlrm"
        [ "$(count)" -eq 1 ]
    done
    interlaced open-gop=1:bframes=2:slices=4 open.ts
    ffmpeg -nostdin -v error -i open.ts -c copy open.mkv
    for f in open.ts open.mkv; do
        extract $f
        [ "$(count)" -eq 4 ]
    done
}

@test "HEVC without a container: a keyframe that is cut is missing, wherever its slice is cut; a whole one is not" {
    ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=5:duration=4 -c:v libx265 -x265-params log-level=none:keyint=5 -f hevc whole.hevc
    [ "$(vlrm-extract whole.hevc | vlrm-cat --count)" = 4 ]
    read -r at size < <(ffprobe -v error -show_entries packet=pos,size,flags -of json whole.hevc |
        jq -r '[.packets[] | select(.flags | startswith("K"))][-1] | "\(.pos) \(.size)"')
    for percent in 45 60 80 99; do
        head -c $((at + size * percent / 100)) whole.hevc > cut.hevc
        exits 3 vlrm-extract --journal "j$percent" cut.hevc
        jq -es '.[0] | .verdict == "damaged" and .frames == 3 and .missing == 1' "j$percent"
    done
}

@test "AV1 without a container: a cut within a picture is damage" {
    ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=5:duration=2 -c:v libaom-av1 -cpu-used 8 -g 5 -f obu whole.obu
    [ "$(vlrm-extract whole.obu | vlrm-cat --count)" = 2 ]
    head -c -3 whole.obu > cut.obu
    exits 3 vlrm-extract cut.obu
    says 'the file ends at byte'
}

# hit FILE NUMBER...: overwrites the inside of these key packets (from 0) with zeros
hit() {
    /usr/bin/python3 - "$@" <<'P'
import json, subprocess, sys
path, numbers = sys.argv[1], [int(n) for n in sys.argv[2:]]
show = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pos,size,flags", "-of", "json", path]
keys = [p for p in json.loads(subprocess.check_output(show))["packets"] if "K" in p["flags"]]
with open(path, "r+b") as f:
    for n in numbers or range(len(keys)):
        f.seek(int(keys[n]["pos"]) + 8)
        f.write(bytes(int(keys[n]["size"]) - 8))
P
}

@test "the journal names every gap, with its time and place; of thousands a hundred, and how many more" {
    cp "$M/h264.mp4" holes.mp4
    hit holes.mp4 1 3
    head -c 60000 "$M/fast.mp4" >short.mp4
    clip -vf fps=50 -c:v mjpeg films.avi
    hit films.avi
    exits 3 bash -c "vlrm-extract --journal j holes.mp4 short.mp4 films.avi '$M/hevc.mp4' >out.vlrm"
    jq -s -e '.[0] | .missing == 2 and (.gaps | map(.time) == [1.0, 3.0]) and .gaps[0].reason == .reason
        and (.gaps | all(.byte > 0 and (.reason | test("cannot be decoded"))))' j
    jq -s -e '.[1] | (.gaps[1:] | map(select(.reason | test("did not come out"))) | length) == .missing' j
    jq -s -e '.[2] | .missing == 200 and (.gaps | length) == 100 and .gaps_more == 100' j
    jq -s -e '.[3] | .verdict == "complete" and (has("gaps") | not)' j
    # counting first tells nothing twice
    exits 3 bash -c "vlrm-extract --max 4 --pick spread --journal k holes.mp4 >out.vlrm"
    jq -e '.gaps | map(.time) == [1.0, 3.0]' k
}
