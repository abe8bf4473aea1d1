# shellcheck shell=bash
# For the tests of vlrm-extract: each runs in a folder of its own, the clips of its file's setup_file are in $M.

setup() {
    cd "$BATS_TEST_TMPDIR" || exit 1
    # shellcheck disable=SC2034 # tests use it
    M=$BATS_FILE_TMPDIR
}

# clip ARGUMENTS.. FILE: a test picture that moves for four seconds
clip() { ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=${size:-160x120}:rate=25:duration=4" "$@"; }

# make_clips: one of every codec and container, for the tests of a file
make_clips() {
    cd "$BATS_FILE_TMPDIR" || exit 1
    clip -c:v libx264 -preset veryfast -g 25 -bf 2 -pix_fmt yuv420p h264.mp4
    clip -c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25 -pix_fmt yuv420p hevc.mp4
    clip -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25 vp9.webm
    clip -c:v libsvtav1 -preset 12 -g 25 av1.mp4 2>/dev/null
    ffmpeg -nostdin -v error -y -i av1.mp4 -c copy av1.mkv
    clip -c:v mpeg4 -g 25 mpeg4.avi
    clip -c:v mpeg2video -g 25 mpeg2.ts
    ffmpeg -nostdin -v error -y -i h264.mp4 -c copy -movflags faststart fast.mp4
    ffmpeg -nostdin -v error -y -i h264.mp4 -c copy -movflags frag_keyframe+empty_moov frag.mp4
}

# The pts of key packets that are shown, as ffprobe has them.
probe() { ffprobe -v error -select_streams "${2:-v:0}" -show_entries packet=pts,flags -of csv=p=0 "$1" | grep 'K_' | cut -d, -f1; }

frames() { /usr/bin/python3 "$BATS_TEST_DIRNAME/frames.py" "$@"; }

# extract ARGUMENTS...: into out.vlrm
extract() { vlrm-extract "$@" >out.vlrm; }

# killed PID: kill -9, perhaps after its end
killed() {
    if kill -9 "$1" 2>/dev/null; then wait "$1" 2>/dev/null && return 0; fi
    return 0
}

count() { frames "${1:-out.vlrm}" id | wc -l; }
