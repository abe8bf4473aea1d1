# vlrm replay: batches that vlrm-update keeps, with the state that each met, taken again to the same bits; and streams that it records.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    update=(vlrm-update --model "$ORACLE/blip2" --off-policy --batch 6 --learning-rate 1e-3 --warmup-steps 3 --value-head "residual:blocks=2,width=2")
    rewarded > "$TMP/in.vlrm"
}

vlrm() {
    "$ROOT/bin/vlrm" "$@"
}

# replayed STEP...: what vlrm replay gives of these steps of $TMP/run is, in every byte, what they wrote into $TMP/dump.
replayed() {
    local step
    for step; do
        exits 0 vlrm replay "$TMP/run" "$step" --out "$TMP/again"
        cmp "$TMP/dump/step-$step.safetensors" "$TMP/again/step-$step.safetensors"
    done
}

# flip FILE OFFSET: every bit of that byte.
flip() {
    printf "\\x$(printf %x $((0xff ^ 0x$(xxd -s "$2" -l 1 -p "$1"))))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Every name in the run, with its time, size and links.
look() {
    find "$TMP/run" -printf '%P %T@ %s %n %i\n' | sort
}

@test "the last steps, kept with the state that they met, are taken again to the bit, and the run is not touched" {
    "${update[@]}" --run "$TMP/run" --value-head residual:blocks=5,width=4 --init init.safetensors --keep 1 --keep-batches 3 --dump "$TMP/dump" --record "$TMP/rec.vlrm" "$TMP/in.vlrm" > "$TMP/metrics"
    [ "$(ls "$TMP/run/batches" | tr '\n' ' ')" = 'step-000003 step-000004 step-000005 ' ]
    [ "$(ls "$TMP/run/state")" = step-000005 ] # the states kept are not those of --keep
    look > "$TMP/before"
    cd / # pictures that records named by a path are kept with them
    [ "$(vlrm replay "$TMP/run" | tr '\n' ' ')" = '3 4 5 ' ]
    replayed 3 4 5
    cd - > /dev/null
    diff "$TMP/before" <(look)
    # The captions with their values, as --record has them; and the metrics.
    vlrm-cat "$TMP/again/step-4.vlrm" | jq -c 'select(.id) | [.id, .caption, .reward, .value]' > "$TMP/found"
    [ "$(wc -l < "$TMP/found")" = 6 ]
    diff "$TMP/found" <(vlrm-cat --batch-index 3 "$TMP/rec.vlrm" | jq -c 'select(.id) | [.id, .caption, .reward, .value]')
    vlrm replay "$TMP/run" 5 --out "$TMP/again" --threads 2 > "$TMP/line"
    diff <(jq -cS 'del(.seconds, .images_per_second, .peak_memory_mib, .activations_mib)' "$TMP/line") \
        <(tail -n 1 "$TMP/metrics" | jq -cS 'del(.seconds, .images_per_second, .peak_memory_mib, .activations_mib)')
    exits 1 vlrm replay "$TMP/run" 2
    says "has no batch of step 2 kept; kept: 3 4 5"
}

@test "so are the first step, steps between checkpoints, and those of adapters in the vision encoder" {
    "${update[@]}" --run "$TMP/run" --train query,projection,lora-vision,lora-llm --checkpoint-every 2 --keep-batches 9 --max-steps 3 --dump "$TMP/dump" "$TMP/in.vlrm"
    replayed 1 2 3
    # A state on disk as a checkpoint is linked, not written again.
    [ "$(stat -c %h "$TMP/run/batches/step-000003/policy.safetensors")" = 2 ]
    [ "$TMP/run/batches/step-000003/policy.safetensors" -ef "$TMP/run/state/step-000002/policy.safetensors" ]
    [ "$(stat -c %h "$TMP/run/batches/step-000002/policy.safetensors")" = 1 ]
}

@test "pictures are cropped as the rollout in the input's header did: by the run, by one whose config.json is given back, and in replay" {
    ffmpeg -v error -f lavfi -i mandelbrot=size=56x28:start_scale=1 -frames:v 1 "$TMP/wide.png" < /dev/null
    vlrm-cat "$TMP/in.vlrm" | jq -c --arg path "$TMP/wide.png" 'if .id then .frame = {$path} else . end' > "$TMP/lines"
    vlrm-cat --from=json "$TMP/lines" > "$TMP/squeezed.vlrm"
    jq -c 'if .vlrm then .stage = "rollout" | .params = {crop: true} else . end' "$TMP/lines" | vlrm-cat --from=json > "$TMP/cropped.vlrm"
    "${update[@]}" --run "$TMP/plain" --max-steps 2 --dump "$TMP/dump" "$TMP/squeezed.vlrm" > "$TMP/m"
    mv "$TMP/dump" "$TMP/squeezed"
    "${update[@]}" --run "$TMP/run" --keep-batches 2 --max-steps 1 --dump "$TMP/dump" "$TMP/cropped.vlrm" > "$TMP/m"
    vlrm-update --config "$TMP/run/config.json" --max-steps 2 "$TMP/cropped.vlrm" > "$TMP/m"
    "${update[@]}" --run "$TMP/whole" --max-steps 2 --dump "$TMP/whole-dump" "$TMP/cropped.vlrm" > "$TMP/m"
    for step in 1 2; do
        no cmp -s "$TMP/dump/step-$step.safetensors" "$TMP/squeezed/step-$step.safetensors"
        cmp "$TMP/dump/step-$step.safetensors" "$TMP/whole-dump/step-$step.safetensors"
    done
    replayed 1 2
}

@test "a batch at which a metric leaves its limits is kept with its state, the first four of them" {
    "${update[@]}" --run "$TMP/run" --collapse-length 1000 --dump "$TMP/dump" "$TMP/in.vlrm"
    [ "$(ls "$TMP/run/collapse" | tr '\n' ' ')" = 'step-000001 step-000002 step-000003 step-000004 ' ]
    [ "$(vlrm-cat --count "$TMP/run/collapse/step-000002/batch.vlrm")" = 6 ]
    replayed 1 4
    jq -e '.collapse == "length"' <(tail -n 1 "$TMP/run/metrics.jsonl")
    # It is as much a stream as any: of the stages before it, of its batch.
    vlrm-cat "$TMP/run/collapse/step-000002/batch.vlrm" > "$TMP/lines"
    jq -es '.[0].stage == "update" and .[0].params.batch == 6 and .[0].upstream.stage == "json"' "$TMP/lines"
    jq -es '.[-2].batch == {index: 1, records: 6}' "$TMP/lines"
}

@test "a kept step that is damaged, or another model's or option's, is refused: nothing is written" {
    "${update[@]}" --run "$TMP/run" --keep-batches 1 --max-steps 2 "$TMP/in.vlrm"
    kept=$TMP/run/batches/step-000002
    exits 6 vlrm replay "$TMP/run" 2 --out "$TMP/again" --learning-rate 0.5
    says "--learning-rate is 0.5, expected 0.001"
    cp -r "$kept" "$TMP/good"
    for file in batch.vlrm policy.safetensors value.safetensors state.json; do
        truncate -s -1 "$kept/$file"
        exits 5 vlrm replay "$TMP/run" 2 --out "$TMP/again"
        says "$kept/$file: "
        cp "$TMP/good/$file" "$kept/$file"
    done
    flip "$kept/batch.vlrm" $(($(stat -c %s "$kept/batch.vlrm") / 2))
    exits 5 vlrm replay "$TMP/run" 2 --out "$TMP/again"
    [ ! -e "$TMP/again/step-2.safetensors" ]
    exits 2 vlrm-update --config "$kept/config.json" --replay "$kept"
    says "--replay needs --dump"
}

@test "what a killed run kept past its checkpoint, and half a folder, are gone when it goes on" {
    "${update[@]}" --run "$TMP/run" --keep-batches 9 --max-steps 4 "$TMP/in.vlrm"
    rm -r "$TMP/run"/state/step-00000[34]
    mkdir "$TMP/run/batches/step-000009.writing-1" "$TMP/run/collapse" "$TMP/run/collapse/step-000009.writing-1"
    "${update[@]}" --run "$TMP/run" --prepare
    [ "$(ls "$TMP/run/batches" | tr '\n' ' ')" = 'step-000001 step-000002 ' ]
    [ -z "$(ls "$TMP/run/collapse")" ]
    "${update[@]}" --run "$TMP/run" --keep-batches 2 --dump "$TMP/dump" "$TMP/in.vlrm"
    [ "$(ls "$TMP/run/batches" | tr '\n' ' ')" = 'step-000004 step-000005 ' ]
    replayed 4 5
}

@test "what --record writes has its header's history and its batches, and trains another run to the same bits" {
    "${update[@]}" --run "$TMP/run" --record "$TMP/rec.vlrm" "$TMP/in.vlrm" > "$TMP/m"
    vlrm-cat "$TMP/rec.vlrm" > "$TMP/lines"
    jq -es '.[0].stage == "update" and .[0].params["learning-rate"] == 1e-3 and .[0].upstream.stage == "json"' "$TMP/lines"
    [ "$(jq -c '.batch | select(.)' "$TMP/lines" | tr '\n' ' ')" = \
        "$(for i in 0 1 2 3 4; do printf '{"index":%d,"records":6} ' $i; done)" ]
    "${update[@]}" --batch 0 --run "$TMP/other" "$TMP/rec.vlrm" > "$TMP/m"
    for file in state/step-000005/{policy,value}.safetensors consumed; do cmp "$TMP/run/$file" "$TMP/other/$file"; done
    exits 1 "${update[@]}" --run "$TMP/full" --record /dev/full "$TMP/in.vlrm"
    says "/dev/full: write: No space left on device"
}
