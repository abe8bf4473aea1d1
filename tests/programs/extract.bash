# shellcheck shell=bash
# For the tests of vlrm-extract.

# clip ARGUMENTS.. FILE: a test picture that moves for four seconds
clip() { ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=${size:-160x120}:rate=25:duration=4" "$@"; }

frames() { /usr/bin/python3 "$BATS_TEST_DIRNAME/frames.py" "$@"; }

# extract ARGUMENTS...: into out.vlrm
extract() { vlrm-extract "$@" >out.vlrm; }

# killed PID: kill -9, perhaps after its end
killed() {
    if kill -9 "$1" 2>/dev/null; then wait "$1" 2>/dev/null && return 0; fi
    return 0
}

count() { frames "${1:-out.vlrm}" id | wc -l; }
