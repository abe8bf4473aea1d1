#!/usr/bin/env bats
# vlrm-cat where trainers look: text files beside pictures, WebDataset shards, COCO's result lists, tables.

setup() {
    load ../programs/common
    cd "$BATS_TEST_TMPDIR" || return
    ORACLE=$ROOT/tests/golden/oracle/tiny
    mkdir photos
    cp "$ORACLE"/f64/images/000[0-2].png photos
}

# captioned [K]: records of the photos with K captions each (1), whose scores rise and fall
captioned() {
    vlrm-extract photos 2>said | vlrm-cat --bin=base64 | jq -c --argjson k "${1:-1}" 'select(.id) | . as $r | range($k) as $i | $r
        | .caption.text = "a \"red\" thing, \(.frame.source[10:11]) \($i)" | .reward.parts = {itm: [0.5, 2.25, -1][$i], cosine: 0.25}
        | if $k > 1 then .id += "~\($i + 1)" else . end' | vlrm-cat --from=json
}

@test "captions beside their pictures: txt, caption, json; what is there is never lost unasked" {
    exits 0 bash -c 'vlrm-cat --write txt --count' < <(captioned)
    [ "$output" = 3 ]
    [ "$(cat photos/0001.txt)" = 'a "red" thing, 1 0' ]
    exits 3 bash -c 'vlrm-cat --write txt --count' < <(captioned)
    says 'photos/0000.png: photos/0000.txt exists already: --skip-existing leaves it, --append adds to it, --overwrite replaces it'
    exits 0 bash -c 'vlrm-cat --write txt --skip-existing --count' < <(captioned)
    says 'wrote 0 files beside their pictures, 3 were there and were left, 0 could not be written'
    printf mine >photos/0001.txt
    captioned 2 | vlrm-cat --write txt --append --prefix 'sks, ' >lines
    [ "$(jq -s 'map(select(.id)) | length' lines)" = 6 ]
    diff photos/0001.txt - <<<$'mine\nsks, a "red" thing, 1 0\nsks, a "red" thing, 1 1'
    captioned | vlrm-cat --write txt --overwrite --count
    [ "$(cat photos/0001.txt)" = 'a "red" thing, 1 0' ]
    captioned 2 | vlrm-cat --write caption --count
    [ "$(wc -l <photos/0002.caption)" = 2 ]
    echo '{"url": "u", "caption": "alt text"}' >photos/0001.json
    captioned | vlrm-cat --write json --append --count
    [ "$(cat photos/0000.json)" = '{"captions": [{"text": "a \"red\" thing, 0 0", "itm": 0.5, "cosine": 0.25}], "caption": "a \"red\" thing, 0 0"}' ]
    jq -e '.url == "u" and .caption == "alt text" and (.captions | length == 1)' photos/0001.json
    no find photos -name '*.writing*' -size +0 | grep .
}

@test "what cannot be written is told by file; five in a row end it" {
    jq -n '{id: "t", frame: {source: "shard.tar/1.jpg"}, caption: {text: "x"}}, {id: "u", caption: {text: "x"}}' -c | vlrm-cat --from=json >made
    exits 3 vlrm-cat --write txt --count made
    says 'shard.tar/1.jpg: there is no such file to write beside here; --webdataset writes captions'
    says 'the record names no file to write beside'
    for i in 3 4 5 6 7; do cp photos/0000.png photos/000$i.png; done
    captioned >many
    mkdir photos/0001.txt
    exits 3 vlrm-cat --write txt --overwrite --count many
    says 'photos/0001.png: photos/0001.txt'
    [ "$(find photos -name '*.txt' -type f | wc -l)" = 7 ]
    ulimit -f 0 # as a full disk: no file can grow
    exits 1 bash -c 'trap "" XFSZ; vlrm-cat --write caption --to=csv --fields caption.text many 2>&1 >/dev/null'
    says 'photos/0004.caption: '
    says '5 files in a row could not be written: writing no more'
    [ -z "$(find photos -name '*.caption')" ]
}

@test "--best keeps the best caption of each picture; a table has what was asked for" {
    captioned 3 >three
    [ "$(vlrm-cat --best reward.parts.itm three | jq -r 'select(.id) | .id' | tr '\n' ' ')" = 'photos/0000.png~2 photos/0001.png~2 photos/0002.png~2 ' ]
    [ "$(vlrm-cat --best reward.parts.cosine three | jq -r 'select(.id) | .id' | tr '\n' ' ')" = 'photos/0000.png~1 photos/0001.png~1 photos/0002.png~1 ' ]
    [ "$(vlrm-cat --best reward.parts.itm --to stream three | vlrm-cat | jq -c 'select(.end).end | [.records, .filtered]')" = '[3,6]' ]
    vlrm-cat --best reward.parts.itm --to=csv --fields caption.text,reward.parts.itm,frame.time_base,caption.none three >table
    diff table - <<'C'
id,caption.text,reward.parts.itm,frame.time_base,caption.none
photos/0000.png~2,"a ""red"" thing, 0 1",2.25,"[1, 1]",
photos/0001.png~2,"a ""red"" thing, 1 1",2.25,"[1, 1]",
photos/0002.png~2,"a ""red"" thing, 2 1",2.25,"[1, 1]",
C
    /usr/bin/python3 -c 'import csv; rows = list(csv.DictReader(open("table"))); assert rows[1]["caption.text"] == "a \"red\" thing, 1 1", rows'
    exits 2 vlrm-cat --to=csv three
}

@test "COCO's result lists, out and in: joined by id, what has no partner is named" {
    mv photos/0001.png photos/COCO_val2014_000000000391.png
    captioned | vlrm-cat --to=coco >list.json
    jq -e 'map(.image_id) == [0, 2, 391] and .[0].caption == "a \"red\" thing, 0 0"' list.json
    vlrm-cat --from=coco --images photos list.json >back
    [ "$(vlrm-cat back | jq -r 'select(.id) | "\(.id) \(.frame.path) \(.caption.text)"')" = '0 photos/0000.png a "red" thing, 0 0
2 photos/0002.png a "red" thing, 2 0
391 photos/COCO_val2014_000000000391.png a "red" thing, O 0' ]
    vlrm-cat --to=coco back | cmp - list.json
    # several captions of one image are one too many for a list
    exits 3 bash -c 'vlrm-cat --to=coco >twice.json' < <(captioned 2)
    says 'image 0 has a caption in the list already, and COCO knows one an image; --best keeps the best of several'
    cmp twice.json list.json
    jq -c '. + [{image_id: 7, caption: "x"}, {caption: "y"}, {image_id: 0, caption: 3}, {image_id: "0002", caption: "by stem"}]' list.json >odd.json
    exits 3 bash -c 'vlrm-cat --from=coco --images photos odd.json >odd'
    says 'odd.json, entry 3: image 7: no picture of that id in photos'
    says 'odd.json, entry 4: it has no image_id'
    says 'odd.json, entry 5: image 0: its caption is no text'
    [ "$(vlrm-cat odd | jq -c 'select(.end).end | [.records, .failed, .status]')" = '[4,3,3]' ]
    cp photos/0002.png photos/b0002.png
    exits 3 bash -c 'vlrm-cat --from=coco --images photos <<<"[{\"image_id\": 2, \"caption\": \"x\"}]" - >odd'
    says 'could both be meant'
    rm photos/b0002.png
    exits 5 vlrm-cat --from=coco <<<'{"annotations": []}' -
    says "an annotations file (vlrm-extract --coco reads it), expected COCO's result list"
    exits 1 vlrm-cat --from=coco --images nowhere list.json
    # captions of others for records of ours
    vlrm-extract photos >frames 2>said
    vlrm-cat --captions list.json --to=stream frames >joined
    [ "$(vlrm-cat joined | jq -r 'select(.id) | .caption.text')" = $'a "red" thing, 0 0\na "red" thing, 2 0\na "red" thing, O 0' ]
    jq -c '.[1:] + [{image_id: 7, caption: "x"}]' list.json >other.json
    exits 3 bash -c 'vlrm-cat --captions other.json --to=stream frames >joined'
    says 'record photos/0000.png: no caption of it in other.json'
    says 'the list has a caption of image 7, but there is no such record'
}

# members TAR: "name size" of each, by Python's own tarfile
members() { /usr/bin/python3 -c 'import sys, tarfile; [print(m.name, m.size) for m in tarfile.open(sys.argv[1])]' "$1"; }

@test "WebDataset shards: whole, with their stats last, read by tar and Python; resumed behind what is there" {
    echo '{"url": "u", "width": 1}' >photos/0001.json
    captioned 2 >two
    exits 0 vlrm-cat --webdataset out --shard-samples 2 --prefix 'sks, ' --count two
    [ "$(ls out | tr '\n' ' ')" = '00000.tar 00000_stats.json 00001.tar 00001_stats.json ' ]
    [ "$(members out/00000.tar | cut -d' ' -f1 | tr '\n' ' ')" = '00000000000.png 00000000000.txt 00000000000.json 00000000001.png 00000000001.txt 00000000001.json ' ]
    mkdir plain && tar -xf out/00000.tar -C plain 2>said
    [ ! -s said ]
    cmp plain/00000000001.png photos/0001.png
    diff plain/00000000001.txt <(printf 'sks, a "red" thing, 1 0\nsks, a "red" thing, 1 1')
    jq -e '.url == "u" and .id == "photos/0001.png" and .key == "00000000001" and .width > 1 and .status == "success" and (.captions | length == 2)
        and .captions[1].itm == 2.25 and .caption == "sks, a \"red\" thing, 1 0"' plain/00000000001.json
    jq -e '.count == 2 and .successes == 2 and .status_dict.success == 2 and .ids == ["photos/0000.png", "photos/0001.png"]' out/00000_stats.json
    # the same records give the same bytes
    vlrm-cat --webdataset again --shard-samples 2 --prefix 'sks, ' --count two
    cmp out/00000.tar again/00000.tar
    exits 2 vlrm-cat --webdataset out --count two
    says 'out/00000_stats.json exists already: --resume continues after the shards of out'
    # killed between a shard and its stats: the shard is written again, and nothing twice
    rm out/00001_stats.json
    exits 0 vlrm-cat --webdataset out --shard-samples 2 --prefix 'sks, ' --resume --count two
    says 'wrote 1 samples, 4 records were there already'
    cmp out/00001.tar again/00001.tar
    exits 0 vlrm-cat --webdataset out --resume --count two
    [ ! -e out/00002.tar ]
    # a stream that breaks off leaves no half shard
    head -c -100 two >"cut.vlrm"
    exits 5 vlrm-cat --webdataset broken --count cut.vlrm
    [ "$(ls -A broken)" = '' ]
    # what is extracted, and what was read from shards, goes into shards as well; by bytes
    printf 'one\ntwo\n' >photos/0000.txt
    vlrm-extract photos 2>said | vlrm-cat --webdataset plainer --shard-bytes 1 --count
    [ "$(ls plainer/*.tar | wc -l)" = 3 ]
    [ "$(vlrm-extract plainer/*.tar | vlrm-cat | jq -c 'select(.id) | [.frame.references, .frame.meta.url]' | tr '\n' ' ')" = '[["one","two"],null] [null,"u"] [null,null] ' ]
    ulimit -f 1
    exits 1 bash -c 'trap "" XFSZ; vlrm-cat --webdataset full --count two'
    says 'File too large'
    [ -z "$(find full -type f ! -name '*.writing-*')" ]
}

@test "WebDataset shards are read by the webdataset package" {
    /usr/bin/env python3 -c 'import webdataset' || skip 'no Python package webdataset here: pip install webdataset'
    captioned | vlrm-cat --webdataset out --count
    /usr/bin/env python3 - <<'P'
import json, webdataset
samples = list(webdataset.WebDataset("out/00000.tar", shardshuffle=False))
assert [s["__key__"] for s in samples] == ["00000000000", "00000000001", "00000000002"], samples
assert samples[1]["txt"] == b'a "red" thing, 1 0'
assert json.loads(samples[1]["json"])["id"] == "photos/0001.png"
assert samples[1]["png"] == open("photos/0001.png", "rb").read()
P
}

@test "the stats beside shards are read by img2dataset" {
    /usr/bin/env python3 -c 'import fsspec, img2dataset, wandb' || skip 'no Python package img2dataset here: pip install img2dataset'
    captioned | vlrm-cat --webdataset out --shard-samples 2 --count
    /usr/bin/env python3 - >figures <<'P'
import img2dataset.logger
reader = img2dataset.logger.LoggerProcess("out", False, "", {})
reader.q.put("stop")
reader.run()
P
    cat figures
    grep -qE '^total +- success: 1\.000 - failed to download: 0\.000 - failed to resize: 0\.000 - .*count: 3$' figures
    ! grep -q 'failed to parse' figures
}
