#!/bin/bash
# Clips a second of vlrm-extract against the best ffmpeg command line for each clip: the same frames out, unscaled, as JPEG, on one
# core. ffmpeg is tried with skip_frame, with discard and with a full decode; one process a clip, as it works. vlrm-extract does
# COPIES clips in one process, as it works. Medians of RUNS, interleaved.
set -eu
cd "$(dirname "$0")/../.."
extract=$PWD/bin/vlrm-extract
runs=${RUNS:-5} copies=${COPIES:-8}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

draw() { ffmpeg -nostdin -v error -y -f lavfi -i "mandelbrot=size=1280x720:rate=25" -t "${seconds:-20}" -pix_fmt yuv420p -g 100 "$@" 2>/dev/null; }
draw -c:v libx264 -preset veryfast -b:v 2M h264-720p.mp4
draw -vf scale=640:360 -c:v libx264 -preset veryfast -b:v 700k h264-360p.mp4
draw -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -b:v 1M vp9-720p.webm
draw -c:v libsvtav1 -preset 12 -b:v 1M av1-720p.mp4
ffmpeg -nostdin -v error -y -i av1-720p.mp4 -c copy av1-720p.mkv
seconds=15 draw -vf scale=320:240 -c:v libx264 -preset veryfast -b:v 300k h264-240p-15s.mp4

milliseconds() {
    local begin end
    begin=$(date +%s%N)
    "$@" >/dev/null 2>&1
    end=$(date +%s%N)
    echo $(((end - begin) / 1000000))
}
median() { sort -n | sed -n "$(((runs + 1) / 2))p"; }
jpegs() { taskset -c 0 ffmpeg -nostdin -v error -threads 1 "$@" -an -vsync vfr -q:v 3 -c:v mjpeg -f image2pipe -; }
ours() { # JOBS CPUS FILE OPTIONS..
    local files=()
    for ((i = 0; i < copies; i++)); do files+=("$3"); done
    taskset -c "$2" "$extract" --jobs "$1" "${@:4}" "${files[@]}" | cat
}

printf '%-20s %14s %14s %8s\n' clip "ours, clips/s" "ffmpeg, clips/s" ratio
for clip in h264-720p.mp4 h264-360p.mp4 vp9-720p.webm av1-720p.mp4 av1-720p.mkv h264-240p-15s.mp4; do
    for way in ours skip discard full; do : >"$way"; done
    for ((run = 0; run < runs; run++)); do
        # shellcheck disable=SC2094 # "ours" is a function here and a file there
        milliseconds ours 1 0 "$clip" >>ours
        milliseconds jpegs -skip_frame nokey -i "$clip" >>skip
        # only in mov and mp4 does -discard keep to keyframes: elsewhere other frames would come out
        case $clip in *.mp4) milliseconds jpegs -discard nokey -skip_frame nokey -i "$clip" >>discard ;; esac
        [ $run -gt 0 ] || milliseconds jpegs -i "$clip" -vf "select=eq(pict_type\\,I)" >>full
    done
    case $clip in vp9* | av1*mkv) : >skip ;; esac # skip_frame is not honoured: every frame comes out, and slower than select
    best=$(for way in skip discard; do [ ! -s $way ] || median <$way; done | cat - full | sort -n | head -1)
    awk -v c="$clip" -v o="$(median <ours)" -v n="$copies" -v f="$best" 'BEGIN { printf "%-20s %14.2f %14.2f %8.2f\n", c, n * 1000 / o, 1000 / f, f * n / o }'
done
# one keyframe at random, as in training, against all of them
for way in all pick; do : >$way; done
for ((run = 0; run < runs; run++)); do
    milliseconds ours 1 0 h264-720p.mp4 >>all
    milliseconds ours 1 0 h264-720p.mp4 --max 1 --pick random >>pick
done
awk -v a="$(median <all)" -v b="$(median <pick)" 'BEGIN { printf "--max 1 --pick random against all keyframes, H.264 720p: %.2f\n", a / b }'
# many copies: what is measured is the work, not the start
for way in one two; do : >$way; done
for ((run = 0; run < runs; run++)); do
    copies=$((3 * copies)) milliseconds ours 1 0,1 h264-720p.mp4 >>one
    copies=$((3 * copies)) milliseconds ours 2 0,1 h264-720p.mp4 >>two
done
awk -v a="$(median <one)" -v b="$(median <two)" 'BEGIN { printf "two jobs against one, H.264 720p: %.2f\n", a / b }'
