#!/usr/bin/env bats
# bats file_tags=asan
# What strangers put into a corpus to open other files, to fill memory or to wait for ever: the good files come out, each of the
# others has its verdict, and nothing but what was named is opened.
load ../programs/common

setup_file() {
    cd "$BATS_FILE_TMPDIR" || exit 1
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=64x48:rate=5:duration=2 -c:v mpeg4 -g 5 clip.mp4
    ffmpeg -nostdin -v error -i clip.mp4 -c:v mpeg2video -g 5 clip.ts
    ffmpeg -nostdin -v error -f lavfi -i mandelbrot=size=64x48 -frames:v 1 photo.jpg
    gcc -shared -fPIC -o exploit.so -x c - <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
static void try(void)
{
    int reads = open(getenv("SECRET"), O_RDONLY), writes = open("pwned", O_WRONLY | O_CREAT, 0600);
    int talks = socket(AF_INET, SOCK_STREAM, 0), child = fork();
    if (child == 0)
        _exit(0);
    dprintf(2, "exploit: read %s, write %s, network %s, process %s\n", reads < 0 ? "no" : "YES", writes < 0 ? "no" : "YES",
            talks < 0 ? "no" : "YES", child < 0 ? "no" : "YES");
    execl("/bin/sh", "sh", "-c", "echo exploit: program YES >&2", (char *)NULL);
}
/* Libraries as if what they read had taken them over: they try to reach what is not theirs, and say what they could. */
int jpeg_read_header(void *c, int whole)
{
    try();
    return ((int (*)(void *, int))dlsym(RTLD_NEXT, "jpeg_read_header"))(c, whole);
}
void *json_loadb(const char *text, size_t size, size_t flags, void *error)
{
    static int tried;
    if (!tried++)
        try();
    return ((void *(*)(const char *, size_t, size_t, void *))dlsym(RTLD_NEXT, "json_loadb"))(text, size, flags, error);
}
size_t ZSTD_decompressStream(void *stream, void *out, void *in)
{
    static int tried;
    if (!tried++)
        try();
    return ((size_t (*)(void *, void *, void *))dlsym(RTLD_NEXT, "ZSTD_decompressStream"))(stream, out, in);
}
C
}

setup() {
    cd "$BATS_TEST_TMPDIR" || exit 1
    M=$BATS_FILE_TMPDIR
}

traced() {
    case $BIN in *asan*) skip 'traced in the release build' ;; esac
    strace -o /dev/null true || skip 'strace may not trace here'
}

# references FOLDER SECRET: files that name SECRET (an absolute path) or a host, in every way that FFmpeg's demuxers know
references() {
    mkdir -p "$1"
    printf 'ffconcat version 1.0\nfile %s\n' "${2##*/}" >"$1/concat.mp4"
    printf "ffconcat version 1.0\nfile '%s'\nfile 'file:%s'\n" "$2" "$2" >"$1/concat-absolute.mp4"
    printf 'ffconcat version 1.0\nfile http://127.0.0.1:9/a.mp4\nfile subfile,,start,0,end,0,,:%s\n' "$2" >"$1/concat-url.mp4"
    printf '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n%s\n#EXT-X-ENDLIST\n' "$2" >"$1/hls.ts"
    printf '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.1:9/a.m3u8\n' >"$1/hls-master.ts"
    printf '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nconcatf:%s\n#EXTINF:2,\ncrypto+file:%s\n#EXT-X-ENDLIST\n' "$2" "$2" >"$1/hls-protocols.ts"
    printf 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n' >"$1/sdp.mp4"
    printf '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="0" bandwidth="1"><BaseURL>%s</BaseURL></Representation></AdaptationSet></Period></MPD>\n' "$2" >"$1/dash.mp4"
    printf '<?xml version="1.0"?>\n<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>urn:uuid:8713c020-2489-45f5-a9f7-87be539e20b5</Id><EditRate>24 1</EditRate><SegmentList></SegmentList></CompositionPlaylist>\n' >"$1/imf.mxf"
    printf '# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 000000000\n' >"$1/vobsub.mpg"
    printf '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" width="8" height="8"><image x:href="file://%s" width="8" height="8"/></svg>\n' "$2" >"$1/svg.mp4"
    printf '[Reference]\nRef1=http://127.0.0.1:9/a.asf\n' >"$1/asx.asf"
    printf 'rtsp://127.0.0.1:9/a\n' >"$1/rtsp.mp4"
    printf '%s\n' "$2" >"$1/concatf.mp4"
    # names that would be protocols or patterns, were they not names of files
    cp "$M/photo.jpg" "$1/image%d.jpg"
    cp "$M/photo.jpg" "$1/subfile,,start,0,end,9,,:photo.jpg"
}

@test "FFmpeg's demuxers that are read are FFmpeg's, and none of those that take references" {
    names=$(sed -n '/formats_read\[\]/,/;/p' "$ROOT/lib/media/video_formats.c" | grep -oE '"[^"]*"' | tr -d '"\n' | tr ',' '\n')
    [ "$(wc -l <<<"$names")" -gt 100 ]
    known=$(ffmpeg -hide_banner -demuxers | awk '$1 ~ /^D/ {print $2}' | tr ',' '\n')
    run comm -23 <(sort -u <<<"$names") <(sort -u <<<"$known")
    [ -z "$output" ]
    for name in concat dash hls image2 imf lavfi rtp rtsp sap sdp svg_pipe vobsub webm_dash_manifest fbdev x11grab alsa; do
        no grep -qxF "$name" <<<"$names"
    done
}

@test "a source opens itself and nothing else: files, members of a shard and stdin, with the sandbox and without" {
    traced
    cp "$M/clip.mp4" secret.mp4
    references corpus "$PWD/secret.mp4"
    tar -cf corpus/shard.tar -C corpus concat.mp4 concat-absolute.mp4 hls.ts sdp.mp4 dash.mp4 imf.mxf
    cp "$M/clip.mp4" corpus/zz.mp4
    for sandbox in auto off; do
        rm -f j log
        exits 3 timeout 60 strace -f -qq -e trace=open,openat,openat2,creat,socket,connect,bind,execve -o log \
            "$BIN/vlrm-extract" --sandbox $sandbox --journal j --append out-$sandbox corpus
        vlrm-cat --fields id out-$sandbox | jq -r 'select(.id) | .id' >ids
        diff ids - <<'I'
corpus/image%d.jpg
corpus/subfile,,start,0,end,9,,:photo.jpg
corpus/zz.mp4#0.000
corpus/zz.mp4#1.000
I
        jq -es 'map(select(.verdict == "unreadable")) | length >= 19' j
        no grep -E 'secret|socket\(|connect\(|bind\(|http' log
        [ "$(grep -c execve log)" = 1 ]
        # of what lies here, what was named
        sed -nE 's/.*open[a-z0-9]*\(([A-Z_]*, )?"([^"]*)".* = [0-9]+$/\2/p' log | sort -u >opened
        grep -qxF corpus/concat.mp4 opened
        grep -E "^([^/]|/tmp|$PWD)" opened | grep -vE '^(corpus.*|j|out-.*|/tmp)$' >other || [ $? = 1 ]
        diff other /dev/null
        for name in concat concat-absolute sdp; do
            exits 3 bash -c "timeout 60 strace -f -qq -e trace=openat,socket -o log $BIN/vlrm-extract --sandbox $sandbox - <corpus/$name.mp4 >out"
            no grep -E 'secret|socket\(' log
        done
    done
}

@test "an exploited decoder opens no file, reaches no network and starts no program" {
    case $BIN in *asan*) skip 'the address sanitizer cannot live in the sandbox' ;; esac
    exits 0 bash -c 'vlrm-extract --verbose --encoding png "$1" 2>&1 >out' - "$M/photo.jpg"
    case $output in *'this kernel'*) skip "$output" ;; esac
    echo secret >secret
    exits 0 bash -c 'SECRET=secret LD_PRELOAD=$1/exploit.so vlrm-extract --encoding png "$1/photo.jpg" 2>&1 >out' - "$M"
    says 'exploit: read no, write no, network no, process no'
    [ "$(vlrm-cat --count out)" = 1 ]
    [ ! -e pwned ]
    no grep -q 'program YES' <<<"$output"
    # the same attempts, let be, succeed: this test can fail
    run bash -c 'SECRET=secret LD_PRELOAD=$1/exploit.so vlrm-extract --sandbox off --encoding png "$1/photo.jpg" 2>&1 >out' - "$M"
    says 'exploit: read YES, write YES, network YES, process YES'
    says 'program YES'
}

@test "an exploited reader of streams, texts or models opens no file but its own, writes to none, reaches no network, starts no program" {
    case $BIN in *asan*) skip 'the address sanitizer cannot live in the sandbox' ;; esac
    exits 0 bash -c 'vlrm-cat --verbose --from=json <<<"{\"id\": \"a\"}" 2>&1 >out'
    case $output in *'this kernel'*) skip "$output" ;; esac
    oracle=$ROOT/tests/golden/oracle/tiny
    echo secret >secret
    export SECRET=$PWD/secret
    mkdir outputs
    head -3 "$oracle/f64/captions.jsonl" | jq -c --arg at "$oracle/f64/" '.frame.path |= $at + .' | vlrm-cat --from=json >captions
    vlrm-cat --zstd=3 captions >captions.zst
    vlrm-reward --model "$oracle/blip2" --itm "$oracle/itm" --no-ref captions >rewarded
    vlrm-extract --zstd=3 "$M/photo.jpg" >frames.zst
    tried() { # READ COMMAND...: it ends well, and an exploit of it reads or not, and no more
        exits 0 bash -c 'LD_PRELOAD=$1 "${@:2}" 2>&1 >/dev/null' - "$M/exploit.so" "${@:2}"
        says "exploit: read $1, write no, network no, process no"
        no grep -q 'program YES' <<<"$output"
        [ ! -e pwned ]
    }
    tried no vlrm-cat captions.zst
    tried no vlrm-cat --from=json "$oracle/f64/captions.jsonl"
    tried no vlrm-cat --save-images outputs/images --count frames.zst
    [ "$(find outputs/images -name "*.jpg" -size +0 | wc -l)" = 1 ]
    tried no vlrm-cmp captions captions.zst
    tried no vlrm-diff rewarded <(vlrm-cat --zstd=3 rewarded)
    # what models are made of lies in many files, and pictures where records say: these read any
    tried YES vlrm-explain --model "$oracle/blip2" rewarded
    tried YES vlrm-tokenize "$oracle/blip2" <(echo '"a cat"')
    tried YES vlrm-weights list "$oracle/itm"
    tried YES vlrm-weights convert "$oracle/itm" --out outputs/itm.safetensors
    [ -s outputs/itm.safetensors ]
    tried YES vlrm-weights merge --base "$oracle/itm" --delta "$oracle/itm" --out outputs/merged
    tried YES vlrm-rollout --model "$oracle/blip2" --greedy captions
    tried YES vlrm-reward --model "$oracle/blip2" --itm "$oracle/itm" --spool outputs captions
    tried YES vlrm-eval --clip "$oracle/clip" --output outputs/report --per-image outputs/each --cache outputs/cache captions
    tried YES vlrm-update --model "$oracle/blip2" --off-policy --batch 3 --run outputs/run --record outputs/record rewarded
    [ -d outputs/run/policy/step-000001 ]
    vlrm-world-render --clips 1 --size 32 --out clips
    vlrm-extract --limit 2 clips/*.mp4 >frames
    tried YES vlrm-world-captions --truth clips frames
    vlrm-world-captions --truth clips frames >said
    tried YES vlrm-world-score --truth clips --per-caption outputs/counts said
    [ -s outputs/counts ]
    tried YES vlrm-top --show rows outputs/run
    vlrm-world-pretrain --lesson words --model words
    vlrm-weights random --shape clip-mini --tokenizer words/clip --out outputs/clip
    tried YES vlrm-world-pretrain --lesson see --truth clips --model outputs/clip --steps 1 --batch 2 frames
    # let be, it succeeds: this test can fail
    exits 0 env LD_PRELOAD="$M/exploit.so" vlrm-cat --sandbox off captions.zst
    says 'exploit: read YES, write YES, network YES, process YES'
}

# bombs FOLDER: what is small and becomes large, or never ends
bombs() {
    mkdir -p "$1"
    /usr/bin/python3 - "$1" "$M/photo.jpg" <<'P'
import io, os, socket, struct, sys, tarfile, zlib
folder, photo = sys.argv[1], open(sys.argv[2], "rb").read()

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

def png(width, height):
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(1 + width // 8)) for _ in range(height)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)) + \
        chunk(b"IDAT", data) + chunk(b"IEND", b"")

def write(name, data, size=None):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)
        if size:
            f.truncate(size)

big = png(16000, 16000)
write("pixels.png", big)
write("sparse.jpg", photo[:200], 1 << 40)
write("still.jpg", photo[:200], 2 << 30)
write("sparse.mp4", b"\0\0\0\x18ftypmp42", 1 << 40)
write("sparse.tar", b"", 1 << 40)
write("wide.webp", b"RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f\xff\xff\xff\x0f" + bytes(13))
sof = photo.index(b"\xff\xc0")
write("claims.jpg", photo[:sof + 5] + struct.pack(">HH", 65500, 65500) + photo[sof + 9:])
with tarfile.open(os.path.join(folder, "member.tar"), "w") as t:
    one = tarfile.TarInfo("pixels.png")
    one.size = len(big)
    t.addfile(one, io.BytesIO(big))
    huge = tarfile.TarInfo("huge.mp4")
    huge.size = 3 << 30
    t.addfile(huge)
socket.socket(socket.AF_UNIX).bind(os.path.join(folder, "socket"))
P
    mkfifo "$1/fifo.mp4"
    ln -s fifo.mp4 "$1/fifo-link.mp4"
    ln -s /dev/zero "$1/zero.mp4"
    ln -s nowhere "$1/dangling.jpg"
    ln -s . "$1/loop"
    printf 'LRZI\0\6%01000d' 0 >"$1/lrzip.tar"
    printf '\211LZO\0\r\n\032\n%01000d' 0 >"$1/lzop.tar"
    printf 'GRZipII\0\002\004:)%01000d' 0 >"$1/grzip.tar"
    head -c 3000 "$M/clip.mp4" >"$1/cut.mp4"
    : >"$1/empty.mp4"
    echo hello >"$1/text.mp4"
}

@test "a folder of all of it: the frames of the good files, a verdict for each of the others, in bounded memory" {
    bombs corpus
    references corpus "$M/clip.mp4"
    cp "$M/photo.jpg" corpus/aa.jpg
    cp "$M/clip.mp4" corpus/zz.mp4
    mkdir bin
    for program in lrzip lzop grzip; do printf '#!/bin/sh\ntouch "%s/pwned"\n' "$PWD" >bin/$program; done
    chmod +x bin/*
    limit=2500000
    case $BIN in *asan*) limit=unlimited ;; esac
    exits 3 timeout 120 bash -c "ulimit -v $limit; PATH=$PWD/bin:\$PATH vlrm-extract --jobs 2 --journal j corpus >out"
    [ ! -e pwned ]
    for name in fifo.mp4 fifo-link.mp4 zero.mp4 socket; do
        says "corpus/$name: skipped: it is a"
    done
    vlrm-cat --fields id out | jq -r 'select(.id) | .id' >ids
    diff ids - <<'I'
corpus/aa.jpg
corpus/image%d.jpg
corpus/subfile,,start,0,end,9,,:photo.jpg
corpus/zz.mp4#0.000
corpus/zz.mp4#1.000
I
    verdict() { jq -er --arg source "corpus/$1" 'select(.source == $source) | .verdict' j; }
    for name in pixels.png sparse.jpg still.jpg sparse.mp4 wide.webp claims.jpg member.tar/pixels.png; do
        [ "$(verdict "$name")" = 'too large' ] || { echo "$name: $(verdict "$name")"; return 1; }
    done
    for name in dangling.jpg loop/ cut.mp4 empty.mp4 text.mp4 lrzip.tar lzop.tar grzip.tar concat.mp4 sdp.mp4 member.tar/huge.mp4; do
        [ "$(verdict "$name")" = unreadable ] || { echo "$name: $(verdict "$name")"; return 1; }
    done
    # every name that is there was done, skipped or good
    [ "$(jq -s 'map(select(.verdict == "complete")) | length' j)" = 4 ]
    grep -q '"corpus/member.tar/huge.mp4".*3221225472 bytes' j
}

@test "what is named by hand may be a FIFO, and --max-bytes ends one that never does" {
    mkfifo f
    cat "$M/clip.mp4" >f &
    exits 0 timeout 60 bash -c 'vlrm-extract f >out'
    [ "$(vlrm-cat --count out)" = 2 ]
    wait
    exits 3 timeout 60 bash -c 'vlrm-extract --max-bytes 1000000 --journal j /dev/zero "$1/photo.jpg" >out' - "$M"
    [ "$(jq -r .verdict j | tr '\n' ,)" = 'too large,complete,' ]
    exits 3 bash -c 'vlrm-extract --max-bytes 1000 --journal k "$1/photo.jpg" "$1/clip.mp4" - <"$1/clip.mp4" >out' - "$M"
    [ "$(jq -r .verdict k | sort -u)" = 'too large' ]
    exits 3 bash -c 'vlrm-extract --max-pixels 3071 --journal l "$1/photo.jpg" "$1/clip.mp4" "$1/clip.ts" >out' - "$M"
    [ "$(jq -r .verdict l | sort -u)" = 'too large' ]
    exits 0 bash -c 'vlrm-extract --max-pixels 3072 "$1/photo.jpg" "$1/clip.mp4" >out' - "$M"
    # a strip one pixel wide is not blown up
    convert -size 4000x1 xc:red strip.png
    exits 3 bash -c 'vlrm-extract --size 300 strip.png >out'
    says '4000 x 1 pixels would become 1200000 x 300'
}

@test "a deadline ends a still within its decoding: JPEG, PNG, WebP, and in a shard" {
    convert "$M/photo.jpg" photo.png
    convert -interlace PNG "$M/photo.jpg" interlaced.png
    convert -interlace JPEG "$M/photo.jpg" progressive.jpg
    cwebp -quiet "$M/photo.jpg" -o photo.webp
    cp "$M/photo.jpg" photo.jpg
    tar -cf shard.tar photo.png photo.jpg photo.webp
    exits 0 bash -c 'vlrm-extract photo.png interlaced.png photo.jpg progressive.jpg photo.webp shard.tar >out'
    exits 3 bash -c 'vlrm-extract --deadline 1e-9 --journal j photo.png interlaced.png photo.jpg progressive.jpg photo.webp shard.tar >out'
    [ "$(jq -r .verdict j | sort | uniq -c | xargs)" = '8 timed out' ]
    [ "$(grep -c 'the time is up within the picture' j)" = 8 ]
}

@test "a progressive JPEG of more scans than any camera writes is refused" {
    convert -interlace JPEG "$M/photo.jpg" progressive.jpg
    /usr/bin/python3 - <<'P'
data = bytearray(open("progressive.jpg", "rb").read())
first = data.index(b"\xff\xda")
data[first + 13] = 0 # its coefficients to the last bit: then the scan may come again
scan = data[first:min(data.index(marker, first + 2) for marker in (b"\xff\xda", b"\xff\xc4"))]
open("few.jpg", "wb").write(data[:first] + scan * 3 + b"\xff\xd9")
open("scans.jpg", "wb").write(data[:first] + scan * 600 + b"\xff\xd9")
P
    exits 0 bash -c 'vlrm-extract few.jpg >out'
    exits 3 bash -c 'vlrm-extract scans.jpg >out'
    says 'JPEG: more than 500 scans'
}

@test "a folder that cannot be read to its end is a failure with its name; what could be read comes out" {
    traced
    mkdir photos
    cp "$M/photo.jpg" photos
    # the first getdents64 gives the entries, the second would say that there are no more
    exits 3 strace -f -qq -o /dev/null -e trace=getdents64 -e inject=getdents64:error=EIO:when=2 \
        "$BIN/vlrm-extract" --journal j --append out photos
    says 'photos: unreadable: read folder: Input/output error'
    [ "$(vlrm-cat --count out)" = 1 ]
    # of a model's folder: neither weights are chosen nor is the rest copied from part of it
    cp -r "$ROOT/share/tiny/captioner" model
    for when in 1 3; do
        exits 1 strace -qq -o /dev/null -e trace=getdents64 -e inject=getdents64:error=EIO:when=$when \
            "$BIN/vlrm-weights" merge --base model --delta model/model.safetensors --out merged
        says 'read folder model: Input/output error'
    done
}

@test "when the process that opens sources dies, that is a failure" {
    traced
    exits 1 timeout 60 strace -f -qq -o /dev/null -e trace=sendmsg -e inject=sendmsg:error=EIO:when=2 \
        "$BIN/vlrm-extract" --journal j --append out "$M/photo.jpg" "$M/clip.mp4"
    says 'hand a source over: Input/output error'
    exits 1 timeout 60 strace -f -qq -o /dev/null -e trace=sendmsg -e inject=sendmsg:signal=KILL:when=2 \
        "$BIN/vlrm-extract" --journal k --append out2 "$M/photo.jpg" "$M/clip.mp4"
    says 'the process that opens sources ended: Killed'
}
