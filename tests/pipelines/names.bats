# shellcheck disable=SC2016 # hostile names are meant as they stand
# Names are bytes: recipes with files and folders whose names would be programs, options, addresses, or are no UTF-8.
bats_require_minimum_version 1.5.0

setup() {
    load ../programs/common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1
    vlrm=$ROOT/bin/vlrm
    cd "$TMP" || return 1
    nasty=$'it\'s "x\'; system(\'touch pwned\'); \' %s * \\ $(touch pwned);touch pwned\n;e touch pwned\n, b '
    bytes=$'b\xe9\xff'
}

# Whatever was called pwned would have been made by a name that was run.
teardown() {
    [ -z "$(find "$BATS_TEST_TMPDIR" -name pwned)" ]
}

@test "a run folder, a log and an output file of any name" {
    cat >recipe.sh <<EOF
. "$ROOT/pipelines/stages.sh"
stages_begin try "\$1"
stage one 1 seq 3
stage two 1 sed "s/3/\$3/"
stages_run "\$2"
EOF
    local name
    for name in "$nasty" "$bytes" '-rf' 'a:b' '*'; do
        exits 0 bash recipe.sh "$name" "$name.out" 4
        [ "$(cat -- "./$name.out")" = $'1\n2\n4' ]
        [ "$(ls "./$name/logs")" = $'one.log\ntwo.log' ]
        exits 1 bash recipe.sh "$name" "$name.out" '/'
        says 'two ended with status 1'
        [ "$(cat -- "./$name.out")" = $'1\n2\n4' ]
    done
}

@test "training: run, model and sources of any name; what is no UTF-8 is kept by its bytes" {
    local name
    mkdir "$bytes" "$nasty" 
    cp "$ORACLE"/f64/images/000[0-3].png "$bytes"
    cp "$ORACLE"/f64/images/000[4-7].png "$nasty"
    ln -s "$ORACLE/blip2" "$bytes.model"
    for name in "$bytes.run" "$nasty.run" '-run'; do
        "$vlrm" train --run "$name" --model "$bytes.model" --itm="$ORACLE/itm" --batch 8 -- "$bytes" "$nasty" >metrics
        [ "$(wc -l <metrics)" = 1 ]
        [ "$(readlink "./$name/policy/latest")" = step-000001 ]
        jq -r '.model["$str"]' "./$name/train.json" | base64 -d | cmp - <(printf %s "$bytes.model")
        jq -e '.model["$str"] and (.sources | length) == 2' "./$name/train.json"
        jq -e --arg run "${name/#-/./-}" '.model["$str"] and ((.run | type) == "object" or .run == $run)' "./$name/config.json"
        # Done: the same command has nothing to do.
        "$vlrm" train --run "$name" --model "$bytes.model" --itm="$ORACLE/itm" --batch 8 -- "$bytes" "$nasty" >metrics
        [ ! -s metrics ]
    done
    cmp "./-run/state/step-000001/policy.safetensors" "$nasty.run/state/step-000001/policy.safetensors"
    # A stream's header has it by its bytes as well.
    vlrm-extract "$bytes" | vlrm-rollout --model "$bytes.model" --greedy | vlrm-cat | jq -r 'select(.vlrm) | .params.model["$str"]' | base64 -d | cmp - <(printf %s "$bytes.model")
}

@test "history, plot and page in a folder of any name" {
    vlrm-extract --limit 6 "$ORACLE/f64/images" >"$nasty.frames"
    cp "$nasty.frames" -- "-frames"
    "$vlrm" train --run "run=$nasty" --model "$ORACLE/blip2" --itm "$ORACLE/itm" --batch 6 --limit 6 "$ORACLE/f64/images" >metrics
    local out
    for out in "$nasty" "$bytes" '-out' 'file:x?mode=memory'; do
        exits 0 "$vlrm" cron-eval --run "./run=$nasty" --out "$out" --frames "$([ "$out" = -out ] && echo -frames || printf '%s.frames' "$nasty")" --model "$ORACLE/blip2" --clip "$ORACLE/clip" \
            --greedy --images 2 --max-drop 2
        [ -z "$output" ]
        [ "$(cd "./$out" && sqlite3 history.sqlite "SELECT group_concat(run || step, ' ') FROM (SELECT run, step FROM eval WHERE metric = 'mrr' ORDER BY run DESC, step)")" = 'base-1 VLRM0 VLRM1' ]
        grep -q '<svg' "./$out/metrics.svg"
        sed -n '/id="data"/{n;p}' "./$out/index.html" | jq -e '[.sets[0].entries[][2]] | unique == [-1, 0, 1]'
    done
}

@test "a run's name can be no other file's, nor lead out of the folder" {
    mkdir -p run/policy
    touch frames
    cron=("$vlrm" cron-eval --frames frames --model m --clip c --out out)
    local name
    for name in .. . -x .hidden 'a b' "it's" '' $'a\nb'; do
        exits 2 "${cron[@]}" "--run=$name=run"
        says 'is not a name'
    done
    for name in base cache lock history.sqlite metrics.svg index.html x.writing; do
        exits 2 "${cron[@]}" "--run=$name=run"
        says 'is what another file in --out is called'
    done
    exits 2 "${cron[@]}" --run a=run --run a=run
    says 'two runs are called a'
    [ ! -e out ]
}

@test "captions and reports: options that look like programs are unknown ones, files have any name" {
    local name
    for name in '--zz/x/;e touch pwned #' '--x[$(touch pwned)]=1' '--@' '--*' '--]' '--no-$(touch pwned)'; do
        exits 2 "$vlrm" caption --model "$ORACLE/blip2" "$name" "$ORACLE/f64/images"
        says 'no stage has an option'
        exits 2 "$vlrm" train --run run --model "$ORACLE/blip2" "$name" "$ORACLE/f64/images"
        says 'no stage has an option'
    done
    cp "$ORACLE/f64/images/0000.png" "$nasty.png"
    cp "$ORACLE/f64/images/0001.png" "$bytes.png"
    cp "$ORACLE/f64/images/0002.png" -- '-c.png'
    TMPDIR=$PWD "$vlrm" caption --model "$ORACLE/blip2" --greedy --max-new-tokens 8 -- "$nasty.png" "$bytes.png" ./-c.png >captions
    jq -es --arg nasty "$nasty.png" 'map(.id) == [$nasty, "b%E9%FF.png", "./-c.png"]' captions
    vlrm-extract -- "$nasty.png" "$bytes.png" ./-c.png >'-frames'
    "$vlrm" evaluate --model "$ORACLE/blip2" --clip "$ORACLE/clip" --greedy --frames=-frames --captions="-$nasty" --logs="-logs$bytes" >report
    jq -e '.runs[0].captions == 3' report
    [ "$(vlrm-cat --count "./-$nasty")" = 3 ]
}

@test "no name of a recipe is a program" {
    for name in $'a\ne touch pwned' '$(touch pwned)' 'x: //p;e touch pwned' '.*' 'stages'; do
        exits 2 "$vlrm" "$name"
        says 'no program or recipe is named'
    done
}
