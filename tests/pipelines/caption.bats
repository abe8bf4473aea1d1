#!/usr/bin/env bats
# vlrm caption: lines as they come, runs that go on, files beside the pictures, shards, scores and the best of several.

setup() {
    load ../programs/common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1 TMPDIR=$BATS_TEST_TMPDIR/tmp
    cd "$BATS_TEST_TMPDIR" || return
    mkdir tmp in
    for i in 0 1 2 3 4 5; do cp "$ORACLE/f64/images/000$i.png" in; done
    caption=("$ROOT/bin/vlrm" caption --model "$ORACLE/blip2" --greedy --max-new-tokens 6)
}

@test "beside the pictures, and where it was stopped: only what has no text is captioned" {
    "${caption[@]}" --write txt --prefix 'sks, ' in >lines
    [ "$(wc -l <lines)" = 6 ]
    [ "$(cat in/0003.txt)" = "sks, $(jq -r 'select(.id == "in/0003.png").caption' lines)" ]
    rm in/0001.txt in/0004.txt
    exits 0 "${caption[@]}" --write txt --skip-existing in
    [ "$(jq -r .id <<<"$output" | tr '\n' ' ')" = 'in/0001.png in/0004.png ' ]
    exits 0 "${caption[@]}" --write txt --skip-existing in
    [ -z "$output" ]
    exits 3 "${caption[@]}" --write txt --limit 1 in
    says 'in/0000.txt exists already: --skip-existing leaves it'
    exits 0 "${caption[@]}" --write txt --overwrite --limit 1 in
    exits 2 "${caption[@]}" --skip-existing in
    exits 2 "${caption[@]}" --write pdf in
}

@test "lines go into a file; killed in the midst, a torn line is cut off and the rest is done once" {
    "${caption[@]}" in >want
    "${caption[@]}" --output out in
    cmp want out
    exits 2 "${caption[@]}" --output out in
    says 'out exists already: --resume continues it'
    head -c -20 want >out
    "${caption[@]}" --output out --resume in
    cmp want out
    exits 0 "${caption[@]}" --output out --resume in
    cmp want out
    # of several captions all must be there
    "${caption[@]/--greedy/--sample}" --num-return 2 --seed 3 in >want
    head -n 5 want >out
    "${caption[@]/--greedy/--sample}" --num-return 2 --seed 3 --output out --resume in
    [ "$(sort -u out | wc -l)" = 12 ]
    diff <(sort want) <(sort -u out)
    # interrupted
    for i in $(seq 10 60); do cp in/0000.png "in/$i.png"; done
    "${caption[@]}" --output many in &
    eventually 60 test -s many
    kill -TERM $! 2>/dev/null || [ $? = 1 ] # it may be done by now
    ended=0
    wait $! || ended=$?
    [ "$ended" = 75 ] || [ "$ended" = 0 ]
    "${caption[@]}" --output many --resume in
    [ "$(jq -r .id many | sort -u | wc -l)" = 57 ] && [ "$(wc -l <many)" = 57 ]
}

@test "unreadable pictures are told and counted, other files skipped, duplicates captioned once" {
    echo 'no picture' >in/0002a.png
    echo 'read me' >in/readme.txt
    cp in/0003.png in/copy.png
    exits 3 bash -c '"$@" >lines' - "${caption[@]}" --dedup --duplicate-distance 0 in
    says 'in/0002a.png: unreadable'
    says 'skipped 1 file that is no picture or video, by name and content: in/readme.txt'
    says 'done 6, failed 1, filtered 1'
    [ "$(jq -r .id lines | tr '\n' ' ')" = 'in/0000.png in/0001.png in/0002.png in/0003.png in/0004.png in/0005.png ' ]
    # stopped before the copy: it is known for one all the same
    head -n 4 lines >out
    exits 3 "${caption[@]}" --dedup --duplicate-distance 0 --output out --resume in
    cmp lines out
}

@test "scores, the best of several, tables and lists" {
    scored=("$ROOT/bin/vlrm" caption --model "$ORACLE/blip2" --max-new-tokens 6 --itm "$ORACLE/itm" --clip "$ORACLE/clip" --seed 5)
    "${scored[@]}" --sample --temperature 1 --num-return 4 in >all
    jq -es 'length == 24 and all(keys == ["caption", "cosine", "id", "itm"]) and all(.cosine | . > -1 and . < 1)' all
    "${scored[@]}" --best-of 4 in >best
    diff <(jq -cs 'group_by(.id | sub("~[0-9]+$"; ""))[] | reverse | max_by(.itm)' all) <(jq -c . best)
    "$ROOT/bin/vlrm" caption --model "$ORACLE/blip2" --max-new-tokens 6 --clip "$ORACLE/clip" --seed 5 --best-of 4 in >cosine
    diff <(jq -cs 'group_by(.id | sub("~[0-9]+$"; ""))[] | reverse | max_by(.cosine) | del(.itm)' all) <(jq -c . cosine)
    # what vlrm-eval has of the same caption and image
    vlrm-extract in | vlrm-cat --bin=base64 | jq -c --slurpfile c cosine 'select(.id) | .id as $id | .caption = {text: ($c[] | select(.id | sub("~[0-9]+$"; "") == $id).caption)}' |
        vlrm-cat --from=json | vlrm-eval --clip "$ORACLE/clip" --per-image each >report
    paste -d' ' <(jq '.cosine // .clipscore' each) <(jq .cosine cosine) | awk '{d = $1 - $2; if (d < -1e-6 || d > 1e-6) exit 1} END {exit NR != 6}'
    [ "$("${scored[@]}" --best-of 2 --to csv in | head -n 1)" = 'id,caption.text,reward.parts.itm,reward.parts.cosine' ]
    "${caption[@]}" --to coco in | jq -e 'map(.image_id) == [0, 1, 2, 3, 4, 5]'
    exits 2 "${caption[@]}" --score in
    exits 2 "${caption[@]}" --best-of 0 --itm "$ORACLE/itm" in
}

@test "shards with captions, resumed behind what is there" {
    "${caption[@]}" --webdataset out --shard-samples 4 --resume in >lines
    [ "$(wc -l <lines)" = 6 ]
    [ "$(tar -xOf out/00001.tar 00001000001.txt)" = "$(tail -n 1 lines | jq -r .caption)" ]
    rm out/00001.tar out/00001_stats.json
    exits 0 "${caption[@]}" --webdataset out --shard-samples 4 --resume in
    [ "$(jq -r .id <<<"$output" | tr '\n' ' ')" = 'in/0004.png in/0005.png ' ]
    [ "$(ls out | tr '\n' ' ')" = '00000.tar 00000_stats.json 00001.tar 00001_stats.json ' ]
}
