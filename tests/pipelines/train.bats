# vlrm train and vlrm caption: three steps on images, stages killed and held up, options, what is refused.

setup() {
    load ../programs/common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1
    train=("$ROOT/bin/vlrm" train --model "$ORACLE/blip2" --itm "$ORACLE/itm" --learning-rate 1e-3 --warmup-steps 2)
    gated=(--filter "vlrm-cat --bin=base64 | $ROOT/tests/pipelines/gate.py $TMP/gate | vlrm-cat --from=json")
}

# same_parameters A B STEP
same_parameters() {
    local folder
    folder=state/step-$(printf %06d "$3")
    cmp "$1/$folder/policy.safetensors" "$2/$folder/policy.safetensors"
    cmp "$1/$folder/value.safetensors" "$2/$folder/value.safetensors"
    cmp "$1/consumed" "$2/consumed"
    cmp "$1/policy/$(readlink "$1/policy/latest")/model.safetensors" "$2/policy/$(readlink "$2/policy/latest")/model.safetensors"
}

@test "three steps: one run folder with configuration, logs, metrics, policy and state" {
    "${train[@]}" --run "$TMP/run" --batch 10 "$ORACLE/f64/images" > "$TMP/metrics"
    [ "$(jq -s 'map(.step)' -c "$TMP/metrics")" = '[1,2,3]' ]
    cmp "$TMP/metrics" "$TMP/run/metrics.jsonl"
    jq -es 'all(.captions == 10 and .tokens > 0)' "$TMP/metrics"
    [ "$(readlink "$TMP/run/policy/latest")" = step-000003 ]
    for stage in extract rollout reward update; do [ -s "$TMP/run/logs/$stage.log" ]; done
    jq -e '.batch == "10" and .["learning-rate"] == "1e-3" and .max == "1" and .pick == "random" and (.sources | length) == 1' "$TMP/run/train.json"
    jq -e '.["learning-rate"] == 1e-3 and .["adam-beta1"] == 0.9 and (.digests.base | length) == 16 and .upstream.stage == "reward" and .upstream.upstream.params.sample' "$TMP/run/config.json"
    # Done: the same command has nothing to do.
    "${train[@]}" --run "$TMP/run" --batch 10 "$ORACLE/f64/images" > "$TMP/again"
    [ ! -s "$TMP/again" ]
    # The same in another folder, another time: the same parameters.
    "${train[@]}" --run "$TMP/other" --batch 10 "$ORACLE/f64/images" > /dev/null
    same_parameters "$TMP/run" "$TMP/other" 3
}

# The process of a stage below the recipe $1, if it runs.
process_of() {
    pgrep -P "$1" -f "vlrm-$2 .*--config" | head -1
}

# Starts the recipe `long` and kills the stage $1 when a step more has been taken, and before $2 steps more (default: 5).
kill_stage() {
    local before recipe pid status=0
    before=$(cat "$TMP/killed/metrics.jsonl" 2> /dev/null | wc -l)
    echo $((before + ${2:-5})) > "$TMP/gate"
    "${long[@]}" "${gated[@]}" --run "$TMP/killed" > "$TMP/out" 2> "$TMP/err" &
    recipe=$!
    eventually 60 step_taken "$before"
    pid=$(process_of "$recipe" "$1")
    [ -n "$pid" ]
    kill -9 "$pid"
    wait "$recipe" || status=$?
    [ "$status" = 137 ] || { echo "$1: status $status"; cat "$TMP/err"; return 1; }
    grep -q "vlrm train: $1 ended with status 137 (killed by SIGKILL)" "$TMP/err"
    [ -z "$(process_of "$recipe" extract)$(process_of "$recipe" rollout)$(process_of "$recipe" reward)$(process_of "$recipe" update)" ]
}

step_taken() {
    [ "$(cat "$TMP/killed/metrics.jsonl" 2> /dev/null | wc -l)" -gt "$1" ]
}

# measured RUN: its metrics but those of the machine.
measured() {
    jq -c 'del(.seconds, .images_per_second, .peak_memory_mib, .activations_mib)' "$1/metrics.jsonl"
}

# bats test_tags=slow
@test "any stage killed: it is named, the others stop, the same command continues to the same parameters" {
    long=("${train[@]}" --batch 5 --max-new-tokens 12 --max-steps 120 "$ORACLE/f64/images")
    "${long[@]}" --run "$TMP/whole" > "$TMP/whole.out"
    [ "$(wc -l < "$TMP/whole.out")" = 120 ]
    for stage in update reward rollout extract; do
        kill_stage "$stage"
    done
    [ "$(readlink "$TMP/killed/policy/latest")" != step-000120 ]
    echo 120 > "$TMP/gate"
    "${long[@]}" "${gated[@]}" --run "$TMP/killed" > /dev/null
    same_parameters "$TMP/whole" "$TMP/killed" 120
    [ "$(jq -s 'map(.step) == [range(1; 121)]' "$TMP/killed/metrics.jsonl")" = true ]
    diff <(measured "$TMP/whole") <(measured "$TMP/killed")
}

# Holds up one stage after the other below the recipe $1, for as long as it runs.
hold_up_stages() {
    local stage pid
    while kill -0 "$1" 2> /dev/null; do
        for stage in reward rollout extract update; do
            pid=$(process_of "$1" "$stage")
            [ -n "$pid" ] || continue
            kill -STOP "$pid" 2> /dev/null || continue
            sleep 0.15
            kill -CONT "$pid" 2> /dev/null || continue
            sleep 0.1
        done
    done
}

# Batches that go through the models in many groups, unlike those above, which a device rounds each by what is in it.
# bats test_tags=slow
@test "the bundled models, 128 captions a step: held up or killed, the same parameters" {
    [ -d "$ROOT/share/tiny" ] || skip 'no share/tiny: there are no bundled models to train'
    vlrm-world-render --split train --seed 21 --clips 30 --size 96 --out "$TMP/clips"
    long=("$ROOT/bin/vlrm" train --model "$ROOT/share/tiny/captioner" --itm "$ROOT/share/tiny/itm" --batch 128 --max-steps 3
        --learning-rate 2e-4 --temperature 1.5 --max-new-tokens 40 "$TMP/clips")
    "${long[@]}" --run "$TMP/whole" > /dev/null
    "${long[@]}" --run "$TMP/slow" > /dev/null &
    recipe=$!
    hold_up_stages "$recipe"
    wait "$recipe"
    same_parameters "$TMP/whole" "$TMP/slow" 3
    diff <(measured "$TMP/whole") <(measured "$TMP/slow")
    kill_stage rollout 2
    echo 3 > "$TMP/gate"
    "${long[@]}" "${gated[@]}" --run "$TMP/killed" > /dev/null
    same_parameters "$TMP/whole" "$TMP/killed" 3
}

@test "interrupted: status 75 after a whole step, then on to the same parameters" {
    long=("${train[@]}" --batch 5 --max-new-tokens 12 --max-steps 20)
    "${long[@]}" --run "$TMP/whole" "$ORACLE/f64/images" > /dev/null
    echo 8 > "$TMP/gate"
    "${long[@]}" "${gated[@]}" --run "$TMP/killed" "$ORACLE/f64/images" > "$TMP/out" 2> "$TMP/err" &
    recipe=$!
    eventually 60 step_taken 1
    kill -TERM "$recipe"
    wait "$recipe" || status=$?
    [ "$status" = 75 ]
    echo 20 > "$TMP/gate"
    "${long[@]}" "${gated[@]}" --run "$TMP/killed" "$ORACLE/f64/images" > /dev/null
    same_parameters "$TMP/whole" "$TMP/killed" 20
}

# bats test_tags=slow
@test "batches sampled by policies older than --keep: those are kept, and a run that is taken up has them" {
    lagging=("${train[@]}" --run "$TMP/run" --batch 5 --max-new-tokens 12 --max-lag 4 --keep 1 --patience 5)
    "${lagging[@]}" --max-steps 6 "$ORACLE/f64/images" > /dev/null
    "${lagging[@]}" --max-steps 9 "$ORACLE/f64/images" > "$TMP/metrics"
    [ "$(jq -s 'map(.step)' -c "$TMP/metrics")" = '[7,8,9]' ]
    [ "$(ls "$TMP/run/state")" = step-000009 ]
    [ "$(find "$TMP/run/policy" -name 'step-*' | wc -l)" = 5 ]
}

@test "options go to the stages that know them, by flag, by letter and from the environment" {
    VLRM_LORA_RANK=2 VLRM_BATCH=30 "$ROOT/bin/vlrm" train -m "$ORACLE/blip2" -r "$TMP/run" --itm="$ORACLE/itm" --clip "$ORACLE/clip" --no-ref --batch 15 --value-head linear \
        --drop-black --train query,projection "$ORACLE/f64/images" > "$TMP/metrics"
    [ "$(wc -l < "$TMP/metrics")" = 2 ]
    jq -es 'all(.captions == 15 and (.ref | has("mean") | not))' "$TMP/metrics"
    jq -e '.options["value-head"] == "linear" and .options["lora-rank"] == 2 and .options.train == ["query", "projection"]' "$TMP/run/state/step-000002/state.json"
    exits 6 "$ROOT/bin/vlrm" train -m "$ORACLE/blip2" -r "$TMP/run" --itm "$ORACLE/itm" --batch 15 "$ORACLE/f64/images"
    says "prepare ended with status 6"
    says '--train is ["query", "qformer", "projection"], expected ["query", "projection"]'
    jq -e '.["value-head"] == "linear"' "$TMP/run/config.json"
}

@test "wrong use is refused before anything runs" {
    exits 2 "${train[@]}" "$ORACLE/f64/images"
    says "--run is required"
    exits 2 "${train[@]}" --run "$TMP/run"
    says "which videos or images?"
    exits 2 "${train[@]}" --run "$TMP/run" --no-such-thing "$ORACLE/f64/images"
    says "no stage has an option --no-such-thing"
    exits 2 "${train[@]}" --run "$TMP/run" --resume "$ORACLE/f64/images"
    [ ! -e "$TMP/run" ]
    exits 2 "${train[@]}" --run "$TMP/run" --batch ten "$ORACLE/f64/images"
    exits 0 "$ROOT/bin/vlrm" train --help
    says "vlrm train --run RUN"
}

@test "captions of a folder, a JSON line each" {
    mkdir "$TMP/in"
    cp "$ORACLE"/f64/images/000[0-4].png "$TMP/in"
    "$ROOT/bin/vlrm" caption --model "$ORACLE/blip2" --greedy --max-new-tokens 12 "$TMP/in" > "$TMP/out"
    [ "$(wc -l < "$TMP/out")" = 5 ]
    jq -es 'all((keys == ["caption", "id"]) and (.caption | type == "string") and (.id | endswith(".png")))' "$TMP/out"
    vlrm-extract "$TMP/in" | vlrm-rollout --model "$ORACLE/blip2" --greedy --max-new-tokens 12 | vlrm-cat | jq -c 'select(.id) | {id, caption: .caption.text}' > "$TMP/want"
    diff <(jq -cS . "$TMP/want") <(jq -cS . "$TMP/out")
    [ "$("$ROOT/bin/vlrm" caption -m "$ORACLE/blip2" --sample --num-return=2 --limit 2 "$TMP/in" | wc -l)" = 4 ]
    echo 'no image' > "$TMP/in/broken.png"
    exits 1 bash -c '"$@" > /dev/full' - "$ROOT/bin/vlrm" caption -m "$ORACLE/blip2" --greedy --limit 1 "$TMP/in"
    says "No space left on device"
    exits 0 bash -c 'set -o pipefail; "$@" | head -c 1 > /dev/null' - "$ROOT/bin/vlrm" caption -m "$ORACLE/blip2" --greedy --limit 1 "$TMP/in"
    run "$ROOT/bin/vlrm" caption --model "$ORACLE/blip2" --greedy "$TMP/in"
    [ "$status" = 3 ]
    [ "$(grep -c '^{"id"' <<< "$output")" = 5 ]
    exits 2 "$ROOT/bin/vlrm" caption --model "$ORACLE/blip2"
    exits 2 "$ROOT/bin/vlrm" caption --learning-rate 1 "$TMP/in"
}
