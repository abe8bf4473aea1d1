#!/bin/bash
# demo: makes a small clip, extracts its keyframes, shows the records
#
# usage: vlrm demo [RUN]
#
# Needs nothing but ffmpeg, which draws the clip. Everything is put into the folder RUN (default: run/demo): clip.mp4,
# frames.vlrm (the stream of records) and logs/.
set -u
. "$(dirname "$(readlink -f "$0")")/stages.sh"

case ${1-} in
-h | --help) recipe_help "$0"; exit ;;
-*) recipe_name=demo; recipe_die "unknown option $1; --help lists what there is" 2 ;;
esac
run=${1:-run/demo}
stages_begin demo "$run"

# Twelve seconds of two moving test pictures, a keyframe every two seconds.
echo "making $run/clip.mp4"
ffmpeg -v error -y -f lavfi -i testsrc2=size=640x360:rate=25:duration=6 -f lavfi -i mandelbrot=size=640x360:rate=25 \
    -filter_complex '[1]trim=duration=6,setpts=PTS-STARTPTS[m];[0][m]concat,format=yuv420p' \
    -c:v libx264 -preset veryfast -g 50 "$run/clip.mp4" </dev/null || recipe_die 'ffmpeg could not make the clip'

echo "vlrm-extract $run/clip.mp4 > $run/frames.vlrm"
stage extract 1 vlrm-extract "$run/clip.mp4"
stages_run "$run/frames.vlrm" || exit

echo "vlrm-cat $run/frames.vlrm"
vlrm-cat "$run/frames.vlrm"
