# vlrm evaluate and vlrm cron-eval: a report from images, checks, every step once, history, plot and page.

setup() {
    load ../programs/common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1
    vlrm=$ROOT/bin/vlrm
    models=(--model "$ORACLE/blip2" --clip "$ORACLE/clip")
}

@test "images to a report, and the captions kept" {
    "$vlrm" evaluate "${models[@]}" --greedy --captions "$TMP/captions.vlrm" "$ORACLE/f64/images" > "$TMP/report.json"
    jq -e '.runs[0] | .captions == 30 and .metrics.mrr.mean > 0' "$TMP/report.json"
    vlrm-eval --clip "$ORACLE/clip" "$TMP/captions.vlrm" > "$TMP/again.json"
    cmp <(jq -c '.runs[0].metrics' "$TMP/report.json") <(jq -c '.runs[0].metrics' "$TMP/again.json")
    exits 7 "$vlrm" evaluate "${models[@]}" --greedy --fail-below=r@1=1 --output="$TMP/r.json" "$ORACLE/f64/images"
    [ "${#lines[@]}" = 1 ]
    says "r@1 is"
    exits 2 "$vlrm" evaluate "${models[@]}"
}

@test "a stage that fails is named" {
    exits 1 "$vlrm" evaluate --model "$TMP/none" --clip "$ORACLE/clip" "$ORACLE/f64/images"
    says "rollout ended with status 1"
}

@test "a run whose policies cannot be listed is an error, not a run without new steps" {
    permissions_bind
    mkdir -p "$TMP/run"
    mkdir -m 0 "$TMP/run/policy"
    vlrm-extract "$ORACLE/f64/images" --limit 1 > "$TMP/frames.vlrm"
    exits 1 ordinary "$vlrm" cron-eval --run "$TMP/run" --frames "$TMP/frames.vlrm" "${models[@]}" --greedy
    says "$TMP/run/policy: cannot be read"
    [ ! -e "$TMP/run/eval" ]
}

@test "every step once; history, plot and page; a fall is one line and 7" {
    "$vlrm" train --model "$ORACLE/blip2" --itm "$ORACLE/itm" --learning-rate 1e-3 --warmup-steps 1 --run "$TMP/run" --batch 15 "$ORACLE/f64/images" > "$TMP/metrics"
    vlrm-extract "$ORACLE/f64/images" > "$TMP/frames.vlrm"
    cron=("$vlrm" cron-eval --run "$TMP/run" --frames "$TMP/frames.vlrm" "${models[@]}" --greedy --images 5 --max-drop 1)
    exits 0 "${cron[@]}"
    [ -z "$output" ]
    out=$TMP/run/eval
    [ "$(sqlite3 "$out/history.sqlite" "SELECT group_concat(run || step, ' ') FROM (SELECT run, step FROM eval WHERE metric = 'mrr' ORDER BY step)")" = "base-1 VLRM0 VLRM1 VLRM2" ]
    grep -q '<svg' "$out/metrics.svg"
    # The page: five frames by their order, others because they changed most; every step of the run beside the base.
    sed -n '/id="data"/{n;p}' "$out/index.html" | jq -e '.missing as $m | (.runs | map(.name)) == ["VLRM"] and ([.runs[0].evals[].step]) == [-1, 0, 1, 2] and
        (.sets[0] | (.frames | length) >= 5 and all(.frames[]; .picture != null) and ([.entries[][2]] | unique) == [-1, 0, 1, 2])'
    cp "$out/history.sqlite" "$TMP/before"
    # A history of before the cosine had its name becomes one of now, and that is said.
    sqlite3 "$out/history.sqlite" "DELETE FROM eval WHERE metric = 'clipscore'; UPDATE eval SET metric = 'clipscore' WHERE metric = 'cosine'"
    exits 0 "${cron[@]}"
    says "clipscore of 4 steps is cosine now"
    [ "$(sqlite3 "$out/history.sqlite" "SELECT count(*) FROM eval WHERE metric = 'cosine'")" = 4 ]
    cp "$out/history.sqlite" "$TMP/before"
    exits 0 "${cron[@]}"
    cmp "$out/history.sqlite" "$TMP/before"
    # Two at a time: the second leaves at once.
    rm "$out/history.sqlite"
    exec 8>"$out/lock"
    flock 8
    exits 0 "${cron[@]}"
    [ ! -e "$out/history.sqlite" ]
    exec 8>&-
    # A step that cannot be evaluated does not hide that the one before fell; the next run says so no more.
    mv "$TMP/run/policy/step-000001/model.safetensors" "$TMP/model"
    run "${cron[@]}" --max-drop -2
    [ "$status" != 0 ] && [ "$status" != 7 ]
    says "VLRM step 1 could not be evaluated"
    says "VLRM step 0: "
    mv "$TMP/model" "$TMP/run/policy/step-000001/model.safetensors"
    # Killed when all is recorded and nothing said: the next run says it.
    mkdir "$TMP/killer"
    printf '#!/bin/sh\nkill -9 $PPID\n' > "$TMP/killer/gnuplot"
    chmod +x "$TMP/killer/gnuplot"
    exits 137 env PATH="$TMP/killer:$PATH" "${cron[@]}" --max-drop -2
    [ -z "$output" ]
    exits 7 "${cron[@]}" --max-drop -2
    [ "${#lines[@]}" = 1 ]
    says "VLRM step 1: "
    says "; VLRM step 2: "
    says "mrr fell by"
    [ "$(sqlite3 "$out/history.sqlite" "SELECT count(DISTINCT step) FROM eval WHERE run = 'VLRM'")" = 3 ]
    exits 0 "${cron[@]}" --max-drop -2
    [ -z "$output" ]
}

@test "COCO's own captions file gives images and references; a folder with other files is a folder of images" {
    mkdir "$TMP/photos"
    cp "$ORACLE"/f64/images/000[0-4].png "$TMP/photos"
    echo 'read me' > "$TMP/photos/readme.txt"
    echo '{"count": 5}' > "$TMP/photos/00000_stats.json"
    jq -n '{images: [range(5) | {id: (. + 7), file_name: "000\(.).png"}], annotations: [range(5) | {image_id: (. + 7), caption: "a red circle"}]}' > "$TMP/c.json"
    "$vlrm" evaluate "${models[@]}" --greedy "$TMP/photos" > "$TMP/folder.json"
    "$vlrm" evaluate "${models[@]}" --greedy --coco "$TMP/c.json" --root "$TMP/photos" --captions "$TMP/c.vlrm" --per-image="$TMP/each" > "$TMP/coco.json"
    cmp <(jq .runs[0].metrics.mrr "$TMP/folder.json") <(jq .runs[0].metrics.mrr "$TMP/coco.json")
    [ "$(jq -r .id "$TMP/each" | tr '\n' ' ')" = '7 8 9 10 11 ' ]
    vlrm-cat "$TMP/c.vlrm" | jq -es 'map(select(.id).frame.references) == [range(5) | ["a red circle"]]'
    exits 2 "$vlrm" evaluate "${models[@]}" --coco "$TMP/c.json" --frames "$TMP/c.vlrm"
    # the captions of others, joined by id: the same captions, the same numbers
    vlrm-cat --to=coco "$TMP/c.vlrm" > "$TMP/results.json"
    "$vlrm" evaluate --clip "$ORACLE/clip" --coco "$TMP/c.json" --root "$TMP/photos" --results "$TMP/results.json" > "$TMP/others.json"
    cmp <(jq .runs[0].metrics.mrr "$TMP/others.json") <(jq .runs[0].metrics.mrr "$TMP/coco.json")
    jq -c '.[1:] + [{image_id: 99, caption: "x"}]' "$TMP/results.json" > "$TMP/other.json"
    exits 1 "$vlrm" evaluate --clip "$ORACLE/clip" --coco "$TMP/c.json" --root "$TMP/photos" --results "$TMP/other.json"
    says 'record 7: no caption'
    exits 3 "$vlrm" evaluate --clip "$ORACLE/clip" --coco "$TMP/c.json" --root "$TMP/photos" --results "$TMP/other.json" --allow-failed
    says 'record 7: no caption of it in'
    says 'the list has a caption of image 99, but there is no such record'
    exits 2 "$vlrm" evaluate "${models[@]}" --coco "$TMP/c.json" --root "$TMP/photos" --results "$TMP/results.json"
}
