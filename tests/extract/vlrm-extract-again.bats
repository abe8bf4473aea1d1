#!/usr/bin/env bats
# vlrm-extract --again: a record's frame once more, to the byte, or what no longer holds.
load ../programs/common
load extract

setup_file() { make_clips; }

# bare FILE: its records without their pictures, as a stream
bare() { vlrm-cat --bin=omit "$1" | vlrm-cat --from=json; }

# comes_again ARGUMENTS...: what vlrm-extract gives comes out the same, from records with and without pictures
comes_again() {
    vlrm-extract "$@" >frames.vlrm
    [ "$(vlrm-cat --count frames.vlrm)" -gt 0 ]
    vlrm-extract --again frames.vlrm >again.vlrm
    cmp <(vlrm-cat --bin=base64 frames.vlrm | jq -c 'select(.id)') <(vlrm-cat --bin=base64 again.vlrm | jq -c 'select(.id)')
    bare frames.vlrm | vlrm-extract --again - >again.vlrm
    cmp <(vlrm-cat --bin=base64 frames.vlrm | jq -cS 'select(.id)') <(vlrm-cat --bin=base64 again.vlrm | jq -cS 'select(.id)')
}

# exif ORIENTATION: a JPEG with that tag in its EXIF
exif() {
    /usr/bin/python3 -c '
import struct, sys
data, tiff = sys.stdin.buffer.read(), b"Exif\0\0II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0" + bytes([int(sys.argv[1])]) + bytes(7)
sys.stdout.buffer.write(data[:2] + b"\xff\xe1" + struct.pack(">H", len(tiff) + 2) + tiff + data[2:])' "$1"
}

# bats test_tags=slow
@test "frames of every codec and container, in every choice, size and encoding, come again to the byte" {
    for f in h264.mp4 hevc.mp4 vp9.webm av1.mkv mpeg4.avi mpeg2.ts frag.mp4; do comes_again "$M/$f"; done
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -c copy -f h264 raw.h264
    comes_again raw.h264
    clip -c:v libtheora -g 25 -t 2 one.ogg
    cat one.ogg one.ogg >twice.ogg # times begin anew
    comes_again twice.ogg "$M/hevc.mp4" raw.h264
    comes_again --every 0.7 "$M/h264.mp4" "$M/mpeg4.avi"
    comes_again --scene 0.001 --max 3 "$M/vp9.webm"
    for options in '--size 64' '--size 100x40 --quality 50' '--encoding png' '--encoding rgb --size 32' '--max 2 --pick spread' \
        '--drop-black --drop-blur --blur-threshold 0 --drop-duplicates' '--dedup-all --quality 70'; do
        # shellcheck disable=SC2086 # words are meant
        comes_again $options "$M/h264.mp4"
    done
    vlrm-cat --to=stream --id "$M/h264.mp4#2.000" frames.vlrm | vlrm-extract --again - | vlrm-cat --count | grep -qx 1
}

@test "turned and full-range videos, stills of all kinds, members of shards, names made unique come again" {
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -c copy -metadata:s:v:0 rotate=90 turned.mp4
    clip -c:v libx264 -pix_fmt yuvj420p -g 50 full.mp4
    comes_again turned.mp4 full.mp4
    [ "$(frames frames.vlrm orientation | sort | uniq -c | tr -s ' ')" = $' 4 8\n 2 null' ]
    [ "$(frames frames.vlrm range | sort -u)" = $'"full"\n"limited"' ]
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -frames:v 1 -q:v 2 photo.jpg
    ffmpeg -nostdin -v error -i "$M/h264.mp4" -frames:v 1 photo.png
    cwebp -quiet photo.png -o photo.webp
    ffmpeg -nostdin -v error -f lavfi -i color=red@0.5:size=32x32,format=rgba -frames:v 1 clear.png
    exif 6 <photo.jpg >exif.jpg
    for options in '' '--size 20' '--encoding jpeg' '--encoding png --size 30' '--encoding rgb'; do
        # shellcheck disable=SC2086 # words are meant
        comes_again $options photo.jpg photo.webp photo.png clear.png exif.jpg
        [ "$(frames frames.vlrm orientation | tail -1)" = 6 ]
    done
    printf 'a b#1.000.jpg\n' >odd
    cp photo.jpg "$(cat odd)"
    cp photo.png $'b\xff.png'
    comes_again "$(cat odd)" $'b\xff.png' photo.jpg photo.jpg photo.png
    cp "$M/h264.mp4" a.mp4
    tar cf shard.tar photo.jpg a.mp4 photo.png
    cp photo.webp photo.jpg
    tar rf shard.tar photo.jpg # a second one of that name
    gzip -k shard.tar
    comes_again shard.tar shard.tar.gz
}

@test "what no longer holds is named, the record goes on as it came, and the status is 3" {
    cp "$M/h264.mp4" a.mp4
    vlrm-extract a.mp4 >frames.vlrm
    vlrm-cat --bin=omit frames.vlrm >bare.jsonl
    # the same pictures in another container file: all but the pictures has changed
    ffmpeg -nostdin -v error -y -i "$M/h264.mp4" -c copy -movflags faststart a.mp4
    exits 3 bash -c 'vlrm-extract --again frames.vlrm >again.vlrm'
    says 'record a.mp4#0.000: the source has changed: its digest is "'
    says '; packet is '
    says '; the picture is the same'
    says 'failed 4'
    cmp <(vlrm-cat --bin=base64 frames.vlrm | jq -c 'select(.id)') <(vlrm-cat --bin=base64 again.vlrm | jq -c 'select(.id)')
    # other pictures
    clip -vf negate -c:v libx264 -preset veryfast -g 25 -bf 2 -pix_fmt yuv420p a.mp4
    exits 3 bash -c 'vlrm-cat --from=json bare.jsonl | vlrm-extract --again - >again.vlrm'
    says 'the picture is another'
    [ "$(vlrm-cat again.vlrm | jq -s 'map(select(.frame.image)) | length')" -eq 0 ]
    # no such frame; no source
    clip -t 2 -c:v libx264 -g 25 -pix_fmt yuv420p a.mp4
    exits 3 bash -c 'vlrm-cat --to=stream --id a.mp4#3.000 frames.vlrm | vlrm-extract --again - >again.vlrm'
    says 'no whole frame of pts'
    says 'the source has changed'
    rm a.mp4
    exits 3 bash -c 'vlrm-extract --again frames.vlrm >again.vlrm'
    says 'a.mp4: neither a file nor in a shard'
    mkdir elsewhere
    cp "$M/h264.mp4" elsewhere/a.mp4
    vlrm-extract --root elsewhere --again frames.vlrm >again.vlrm
    # one promise at a time, broken in the record
    cp "$M/h264.mp4" a.mp4
    while IFS='|' read -r change said; do
        vlrm-cat --from=json <(jq -c "if .frame then .frame |= (. + $change) else . end" bare.jsonl) >broken.vlrm
        exits 3 bash -c 'vlrm-extract --again broken.vlrm >again.vlrm'
        says "$said"
    done <<'END'
{"range": "full"}|range is "limited", the record says "full"
{"orientation": 6}|orientation is not there, the record says 6
{"stored": [1, 1]}|stored is [160, 120], the record says [1, 1]
{"packet": 1}|the record says 1; the picture is the same
{"image_digest": "0000000000000000"}|the picture is another
{"quality": 20}|the picture is another
{"width": 0}|frame.width and frame.height are missing or not from 1 to
{"encoding": "bmp"}|frame.encoding is 'bmp', expected jpeg, png, webp or rgb
{"image_digest": null}|the record has neither frame.image nor frame.image_digest
{"source": null}|no frame.source
END
}

@test "captions and unknown groups stay, batches too; empty, cut and wrong input have their statuses" {
    cp "$M/h264.mp4" a.mp4
    vlrm-extract --batch 2 a.mp4 >frames.vlrm
    vlrm-cat --bin=omit frames.vlrm | jq -c 'if .id then . + {caption: {text: "x"}, mine: [1, null]} else . end' >bare.jsonl
    vlrm-cat --from=json bare.jsonl | vlrm-extract --again - >again.vlrm
    vlrm-cat --bin=omit again.vlrm >back.jsonl
    cmp <(jq -cS 'select(.id or .batch)' back.jsonl) <(jq -cS 'select(.id or .batch)' bare.jsonl)
    [ "$(vlrm-cat again.vlrm | jq -r 'select(.vlrm) | [.stage, .upstream.stage] | join(" ")')" = 'extract extract' ]
    exits 4 bash -c 'vlrm-cat --to=stream --id nobody frames.vlrm | vlrm-extract --again - >again.vlrm'
    says 'no record: nothing to extract again'
    exits 5 bash -c 'head -c -100 frames.vlrm | vlrm-extract --again - >again.vlrm'
    exits 2 vlrm-extract --again frames.vlrm --size 20
    says '--size cannot be used with --again, which takes everything from the records'
    exits 2 vlrm-extract --again frames.vlrm --dry-run
    says '--dry-run cannot be used with --again, which takes everything from the records'
    exits 2 vlrm-extract --again frames.vlrm a.mp4
    exits 1 vlrm-extract --again nowhere.vlrm
    says 'nowhere.vlrm'
}
