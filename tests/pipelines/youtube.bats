#!/usr/bin/env bats
# pipelines/youtube.sh with the installed yt-dlp (its generic extractor) against an HTTP server on the loopback device.
# shellcheck disable=SC2030,SC2031 # each test has a PATH of its own
load ../programs/common

setup_file() {
    export SITE=$BATS_FILE_TMPDIR/site
    mkdir "$SITE"
    ffmpeg -v error -f lavfi -i "testsrc2=size=64x48:rate=5:duration=4" -pix_fmt yuv420p -c:v libx264 -preset ultrafast \
        -g 5 -movflags +faststart "$SITE/good.mp4" </dev/null
    ffmpeg -v error -f lavfi -i "testsrc2=size=64x48:rate=5:duration=3" -pix_fmt yuv420p -c:v libvpx -g 5 "$SITE/other.webm" </dev/null
    head -c 9000 "$SITE/good.mp4" >"$SITE/cut.mp4"
    echo 'no video at all' >"$SITE/text.mp4"
    python3 -u -c '
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()' "$SITE" >"$BATS_FILE_TMPDIR/port" 2>"$BATS_FILE_TMPDIR/requests" 3>&- &
    echo $! >"$BATS_FILE_TMPDIR/pid"
    local tries=0
    until [ -s "$BATS_FILE_TMPDIR/port" ] || [ $((tries += 1)) -gt 200 ]; do sleep 0.05; done
    URL=http://127.0.0.1:$(cat "$BATS_FILE_TMPDIR/port")
    export URL
}

teardown_file() {
    kill "$(cat "$BATS_FILE_TMPDIR/pid")"
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    # The user's yt-dlp as it is, but for whatever this machine's user has configured.
    export HOME=$PWD XDG_CONFIG_HOME=$PWD no_proxy=127.0.0.1
}

youtube() {
    "$ROOT/bin/vlrm" youtube --sleep 0 --retries 0 "$@"
}

records() {
    vlrm-cat "$1" | jq -c 'select(.id)'
}

@test "videos are fetched and extracted, records carry the address, the stream is one" {
    youtube --journal journal "$URL/good.mp4" "$URL/other.webm" >out
    [ "$(records out | wc -l)" = 7 ]
    [ "$(records out | jq -r '.frame.source' | sort -u)" = "$URL/good.mp4"$'\n'"$URL/other.webm" ]
    [ "$(jq -r '.verdict' journal)" = $'complete\ncomplete' ]
    [ "$(jq -r '.source' journal)" = "$URL/good.mp4"$'\n'"$URL/other.webm" ]
    [ "$(jq -r '.frames' journal)" = $'4\n3' ]
}

@test "the same frames come out as from the file" {
    youtube "$URL/good.mp4" >out
    vlrm-extract "$SITE/good.mp4" | vlrm-cat --bin=base64 | jq -c 'select(.id) | .frame | [.pts, .time, .image]' >expected
    vlrm-cat --bin=base64 out | jq -c 'select(.id) | .frame | [.pts, .time, .image]' >found
    cmp expected found
}

@test "a list on stdin; options for vlrm-extract" {
    printf '%s\n\n%s\n' "$URL/good.mp4" "$URL/other.webm" | youtube -- --max 1 >out
    [ "$(records out | wc -l)" = 2 ]
}

@test "a list without a last newline, with carriage returns, with an id twice: nothing is lost, nothing comes twice" {
    printf '%s\r\n%s\r\n%s' "$URL/good.mp4" "$URL/good.mp4" "$URL/other.webm" | youtube --journal journal >out
    [ "$(jq -r .source journal)" = "$URL/good.mp4"$'\n'"$URL/other.webm" ]
    [ "$(records out | wc -l)" = 7 ]
    [ "$(records out | jq -r .id | sort | uniq -d | wc -l)" = 0 ]
}

# bats test_tags=slow
@test "what fails is journaled with the reason, the rest goes on, and readers are told by status 3" {
    local status=0
    youtube --journal journal "$URL/absent.mp4" "$URL/cut.mp4" "$URL/text.mp4" "$URL/good.mp4" >out 2>said || status=$?
    [ "$status" = 3 ]
    [ "$(jq -r '[.source, .verdict] | join(" ")' journal | sed "s|$URL/||")" = $'absent.mp4 unreadable\ncut.mp4 damaged\ntext.mp4 unreadable\ngood.mp4 complete' ]
    grep -q '404' journal
    grep -q 'absent.mp4: unreadable: yt-dlp ended with status' said
    exits 3 vlrm-cat out
    vlrm-cat out >lines || [ $? = 3 ]
    [ "$(jq -r 'select(.id) | .frame.source' lines | grep -c good.mp4)" = 4 ]
}

@test "--resume fetches only what the journal does not list" {
    youtube --journal journal "$URL/good.mp4" >first
    : >"$BATS_FILE_TMPDIR/requests"
    youtube --journal journal --resume "$URL/good.mp4" "$URL/other.webm" >second
    no grep -q good.mp4 "$BATS_FILE_TMPDIR/requests"
    [ "$(records second | wc -l)" = 3 ]
    youtube --journal journal --resume "$URL/good.mp4" >third
    [ "$(records third | wc -l)" = 0 ]
    [ "$(wc -l <journal)" = 2 ]
}

@test "names that look like options or paths are neither run nor written" {
    mkdir work && cd work
    cat >list <<'EOF'
--exec=touch hacked
-o../hacked
../../etc/passwd
/etc/passwd
file:///etc/passwd
a;touch hacked
$(touch hacked)
EOF
    local status=0
    youtube --journal journal <list >out 2>said || status=$?
    [ "$status" = 3 ]
    [ "$(ls -A)" = $'journal\nlist\nout\nsaid' ]
    [ ! -e ../hacked ]
    [ "$(jq -r .verdict journal | sort | uniq -c | tr -s ' ')" = ' 7 unreadable' ]
    exits 3 vlrm-cat out
}

@test "an id that begins with a hyphen is an id, on the command line too" {
    # No network here: what is asked of yt-dlp is looked at instead of done.
    mkdir fake
    printf '#!/bin/sh\nprintf "%%s\\n" "$@" >%q/asked\nexit 1\n' "$PWD" >fake/yt-dlp
    chmod +x fake/yt-dlp
    PATH=$PWD/fake:$PATH
    local status=0
    youtube --journal journal -- >out </dev/null || status=$?
    [ "$status" = 4 ]
    exits 3 youtube --journal other -abc_DEF-12
    [ "$(tail -n 2 asked)" = $'--\nhttps://www.youtube.com/watch?v=-abc_DEF-12' ]
    [ "$(jq -r .source other)" = -abc_DEF-12 ]
}

@test "addresses of YouTube give the video's id" {
    mkdir fake
    printf '#!/bin/sh\ncat %q\n' "$SITE/good.mp4" >fake/yt-dlp
    chmod +x fake/yt-dlp
    PATH=$PWD/fake:$PATH
    local address
    for address in dQw4w9WgXcQ https://youtu.be/dQw4w9WgXcQ 'https://www.youtube.com/watch?t=3&v=dQw4w9WgXcQ&list=x' \
        https://m.youtube.com/shorts/dQw4w9WgXcQ; do
        youtube "$address" >out
        [ "$(records out | jq -r '.id' | cut -d'#' -f1 | sort -u)" = dQw4w9WgXcQ ]
    done
}

# bats test_tags=slow
@test "SIGTERM: what is written is whole, nothing goes on running, status 75" {
    mkdir fake
    printf '#!/bin/bash\n[ -e %q/once ] || { touch %q/once; exec cat %q; }\nexec -a marker-%s sleep 1000\n' "$PWD" "$PWD" "$SITE/good.mp4" "$PWD" >fake/yt-dlp
    chmod +x fake/yt-dlp
    PATH=$PWD/fake:$PATH
    "$ROOT/bin/vlrm" youtube --sleep 0 --journal journal "$URL/a.mp4" "$URL/b.mp4" >out 2>said 3>&- &
    eventually 60 pgrep -f "^marker-$PWD"
    kill -TERM $!
    local status=0
    wait $! || status=$?
    [ "$status" = 75 ]
    no pgrep -f "^marker-$PWD"
    [ "$(wc -l <journal)" = 1 ]
    exits 75 vlrm-cat out
}

# bats test_tags=slow
@test "killed with -9 it leaves nothing running, and --resume goes on" {
    mkdir fake
    printf '#!/bin/bash\n[ -e %q/once ] || { touch %q/once; exec cat %q; }\nexec -a marker-%s sleep 1000\n' "$PWD" "$PWD" "$SITE/good.mp4" "$PWD" >fake/yt-dlp
    chmod +x fake/yt-dlp
    TMPDIR=$PWD PATH=$PWD/fake:$PATH "$ROOT/bin/vlrm" youtube --sleep 0 --journal journal "$URL/good.mp4" "$URL/other.webm" >out 3>&- &
    eventually 60 pgrep -f "^marker-$PWD"
    eventually 60 pgrep -f "vlrm-extract --name $URL/other.webm"
    kill -9 $!
    wait $! || [ $? = 137 ]
    eventually 60 no pgrep -f "^marker-$PWD"
    eventually 60 no pgrep -f "vlrm-extract --name $URL/other.webm"
    [ "$(jq -r .source journal)" = "$URL/good.mp4" ]
    youtube --journal journal --resume "$URL/good.mp4" "$URL/other.webm" >rest
    [ "$(records out | wc -l)" = 4 ]
    [ "$(records rest | wc -l)" = 3 ]
}

# bats test_tags=slow
@test "a journal that is another file, or cannot be written, is said before anything is fetched" {
    printf 'RIFF\0\0' >image
    cp image before
    exits 1 "$ROOT/bin/vlrm" youtube --resume --journal image ftp://x
    says 'is not a journal'
    cmp image before
    echo '{"source": "a"}' >journal
    exits 2 "$ROOT/bin/vlrm" youtube --journal journal ftp://x
    says 'journal exists already: --resume continues it'
    [ "$(cat journal)" = '{"source": "a"}' ]
    exits 1 "$ROOT/bin/vlrm" youtube --journal nowhere/journal ftp://x
    [ "$output" = 'vlrm youtube: cannot write nowhere/journal' ]
}

@test "any item is data: a line break, echo's options, a journal that looks like one" {
    local status=0
    youtube --journal -journal $'a\nb' -e -- </dev/null >out 2>said || status=$?
    [ "$status" = 2 ] # -e is no id
    youtube --journal -journal $'a\nb' '@' '*' ']' '$(touch pwned)' "$URL/good.mp4" >out 2>said || status=$?
    [ "$status" = 3 ]
    [ "$(jq -c .source ./-journal)" = "$(printf '%s\n' '"a\nb"' '"@"' '"*"' '"]"' '"$(touch pwned)"' "\"$URL/good.mp4\"")" ]
    [ "$(records out | wc -l)" = 4 ]
    printf '%s\n' -n -e -E | youtube --journal other >out 2>said || status=$?
    [ "$status" = 3 ]
    [ "$(jq -r .source other)" = $'-n\n-e\n-E' ]
    [ ! -e pwned ]
}
