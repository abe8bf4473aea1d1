#!/usr/bin/env bats
# bats file_tags=asan
# Folders and shards as they are: what is no media is skipped and counted, texts beside pictures go with them.
load ../programs/common
load extract

setup_file() {
    cd "$BATS_FILE_TMPDIR" || exit 1
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=64x48:rate=5:duration=2 -c:v libx264 -g 5 -pix_fmt yuv420p clip.mp4
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=64x48 -frames:v 1 photo.jpg
}

# end_of STREAM: "records failed no_media status" of its end record
end_of() { vlrm-cat "$1" | jq -c 'select(.end) | .end | [.records, .failed, .no_media, .status]'; }

@test "what is no media by name and content is skipped and counted; what is media by either is told when broken" {
    mkdir -p d/sub
    cp "$M/photo.jpg" d/a.jpg
    cp "$M/photo.jpg" d/without-an-ending
    cp "$M/clip.mp4" d/film.bin
    echo 'read me' >d/readme.txt
    echo '{"count": 1}' >d/00000_stats.json
    : >d/empty
    head -c 3000 /dev/urandom >d/sub/weights.npy
    vlrm-cat --from=json --to=stream <<<'{"id": "1"}' >d/sub/frames.vlrm
    exits 0 bash -c 'vlrm-extract d 2>&1 >out.vlrm'
    says 'skipped 5 files that are no picture or video, by name and content: d/00000_stats.json and others'
    [ "$(frames out.vlrm source | uniq | tr '\n' ' ')" = '"d/a.jpg" "d/film.bin" "d/without-an-ending" ' ]
    [ "$(end_of out.vlrm)" = '[4,0,5,0]' ]
    exits 0 bash -c 'vlrm-extract -v d 2>&1 >out.vlrm'
    says 'd/readme.txt: skipped: neither its name nor its bytes are those of a picture or video'
    # a name that promises a picture, bytes that do: both are told
    echo 'no picture' >d/b.jpg
    : >d/c.mp4
    head -c 900 "$M/photo.jpg" >d/half
    chmod 0 d/readme.txt
    exits 3 bash -c 'vlrm-extract --journal j d 2>&1 >out.vlrm'
    for name in b.jpg c.mp4 half; do says "d/$name: "; done
    [ "$(jq -r 'select(.verdict != "complete") | .source' j | tr '\n' ' ')" = 'd/b.jpg d/c.mp4 d/half ' ]
    # what is named is tried, whatever it is; a folder with nothing in it says so
    exits 3 bash -c 'vlrm-extract d/empty >out.vlrm'
    mkdir only && echo x >only/readme.txt
    exits 4 bash -c 'vlrm-extract only 2>&1 >out.vlrm'
    says 'skipped 1 file that is no picture or video, by name and content: only/readme.txt'
}

@test "shards count media only, and each file that is none once" {
    mkdir d
    for i in 1 2 3 4 5 6; do cp "$M/clip.mp4" d/$i.mp4; echo '{}' >d/$i.jsonl; done
    cp "$M/photo.jpg" d/7
    for i in 0 1; do vlrm-extract --shard $i/2 --max 1 d >s$i.vlrm 2>said$i; done
    [ "$(frames s0.vlrm source | tr '\n' ' ')" = '"d/1.mp4" "d/3.mp4" "d/5.mp4" "d/7" ' ]
    [ "$(frames s1.vlrm source | tr '\n' ' ')" = '"d/2.mp4" "d/4.mp4" "d/6.mp4" ' ]
    [ "$(end_of s0.vlrm)$(end_of s1.vlrm)" = '[4,0,3,0][3,0,3,0]' ]
    diff <(vlrm-extract --dry-run --shard 0/2 d 2>/dev/null | jq -r '.source // empty') <(frames s0.vlrm source | jq -r .)
    vlrm-extract --shuffle 3 --max 1 d 2>/dev/null >shuffled.vlrm
    [ "$(frames shuffled.vlrm source | sort | tr '\n' ' ')" = '"d/1.mp4" "d/2.mp4" "d/3.mp4" "d/4.mp4" "d/5.mp4" "d/6.mp4" "d/7" ' ]
}

# sample FOLDER: what img2dataset writes of two samples, one with a text of two lines, and a third without texts
sample() {
    mkdir "$1"
    for key in 000000000 000000001 000000002; do cp "$M/photo.jpg" "$1/$key.jpg"; done
    printf 'a test card\r\n\n  with bars  \n' >"$1/000000000.txt"
    echo 'eine Tafel, grün' >"$1/000000001.txt"
    echo '{"caption": "a test card", "url": "http://example.org/1.jpg", "key": "000000000", "width": 64, "exif": null, "p": [1.5, {"id": 1}]}' >"$1/000000000.json"
    echo '{"count": 3}' >"$1/00000_stats.json"
}

@test "texts beside pictures become references and meta, in folders, by name and in shards of any order" {
    sample d
    (cd d && tar -cf ../natural.tar -- * && tar -cf ../texts-first.tar {000000000,000000001,000000002}.* --sort=none 00000_stats.json &&
        tar -cf ../webdataset.tar 000000000.{jpg,json,txt} 000000001.{jpg,txt} 000000002.jpg && tar -czf ../packed.tar.gz 000000000.{txt,json,jpg} 000000001.{txt,jpg} 000000002.jpg)
    want='[["a test card","with bars"],"http://example.org/1.jpg",[1.5,{"id":1}]]
[["eine Tafel, grün"],null,null]
[null,null,null]'
    for source in d natural.tar texts-first.tar webdataset.tar packed.tar.gz '--shuffle 1 webdataset.tar' 'd/000000000.jpg d/000000001.jpg d/000000002.jpg'; do
        # shellcheck disable=SC2086 # an option is in it
        vlrm-extract $source >out.vlrm 2>said || { cat said; return 1; }
        diff <(vlrm-cat out.vlrm | jq -cs 'map(select(.id)) | sort_by(.id)[] | .frame | [.references, .meta.url, .meta.p]') <(echo "$want") ||
            { echo "$source"; return 1; }
    done
    # texts between two pictures of one stem belong to both
    cp d/000000000.jpg d/000000000.png
    (cd d && tar -cf ../two.tar 000000000.{jpg,txt,png})
    [ "$(vlrm-extract two.tar | vlrm-cat | jq -c 'select(.id) | .frame.references | length' | tr '\n' ' ')" = '2 2 ' ]
    # without them a text is a file like any other
    exits 0 bash -c 'vlrm-extract --no-texts d 2>&1 >out.vlrm'
    says 'skipped 4 files'
    [ "$(vlrm-cat out.vlrm | jq -c 'select(.frame.references or .frame.meta) | .id')" = '' ]
    # --again keeps them
    vlrm-extract d 2>/dev/null | vlrm-cat --bin=omit | vlrm-cat --from=json | vlrm-extract --again - | vlrm-cat | jq -es 'map(select(.frame.meta.url)) | length == 2'
}

@test "a text that cannot be read is told; its picture comes without it" {
    sample d
    printf 'gr\374n\n' >d/000000001.txt
    echo '{"url": ' >d/000000000.json
    mkfifo d/000000002.txt
    exits 3 timeout 20 bash -c 'vlrm-extract --journal j d 2>&1 >out.vlrm'
    says 'd/000000000.jpg: damaged: the .json beside it is left out: line 2'
    says 'd/000000001.jpg: damaged: d/000000001.txt beside it is left out: it is no UTF-8 text'
    [ "$(frames out.vlrm id | wc -l)" -eq 3 ]
    jq -es 'map(.frames) == [1, 1, 1] and map(.verdict) == ["damaged", "damaged", "complete"]' j
    printf '%0300d' 0 | sed 's/0/[/g' >d/000000000.json
    printf '%0300d' 0 | sed 's/0/]/g' >>d/000000000.json
    exits 3 bash -c 'vlrm-extract d/000000000.jpg 2>&1 >out.vlrm'
    says 'nested deeper than 200 levels'
    (cd d && rm 000000002.txt && truncate -s 17M 000000002.txt && tar -cf ../large.tar 000000002.{jpg,txt})
    exits 3 bash -c 'vlrm-extract large.tar 2>&1 >out.vlrm'
    says '000000002.txt beside it is left out'
}

@test "COCO's own captions file: ids, references from behind the images, what is broken" {
    mkdir root
    cp "$M/photo.jpg" root/COCO_val2014_000000000042.jpg
    cp "$M/photo.jpg" root/COCO_val2014_000000000043.jpg
    cp "$M/photo.jpg" outside.jpg
    cat >c.json <<'J'
{"info": {"year": 2014}, "images": [{"license": 5, "file_name": "COCO_val2014_000000000042.jpg", "id": 42, "height": 48}, {"id": 43, "file_name": "COCO_val2014_000000000043.jpg"},
 {"id": 44, "file_name": "../outside.jpg"}, {"id": 45, "file_name": "gone.jpg"}],
 "licenses": [{"id": 1}], "annotations": [{"image_id": 42, "id": 1, "caption": "a card"}, {"image_id": 43, "id": 2, "caption": "bars"}, {"image_id": 42, "id": 3, "caption": "a \"test\""}]}
J
    echo x >root/COCO_val2014_000000000043.txt # not what COCO says of it
    exits 3 bash -c "vlrm-extract --coco c.json --root root 2>&1 >out.vlrm"
    says "root/../outside.jpg: unreadable: images[2]: path '../outside.jpg' leads out of root"
    says 'root/gone.jpg: unreadable: open: No such file'
    [ "$(vlrm-cat out.vlrm | jq -c 'select(.id) | [.id, .frame.references]')" = $'["42",["a card","a \\"test\\""]]\n["43",["bars"]]' ]
    jq -c '{annotations, images}' c.json >annotations-first.json
    exits 3 bash -c "vlrm-extract --coco annotations-first.json --root root >again.vlrm"
    diff <(frames out.vlrm references) <(frames again.vlrm references)
    exits 3 bash -c "vlrm-extract --coco c.json --split val --root root 2>&1 >out.vlrm"
    says "c.json is COCO's own file, which has no splits: leave --split out"
    head -c -100 c.json >cut.json
    exits 3 bash -c "vlrm-extract --coco cut.json --root root 2>&1 >out.vlrm"
    says 'expected {"annotations": [{..}, ..]}'
}
