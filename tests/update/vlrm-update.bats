# vlrm-update: against the torch reference, and against kills, full disks and wrong input.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    common=(--model "$ORACLE/blip2" --off-policy --batch 6 --learning-rate 1e-3 --warmup-steps 3)
}

compare() {
    python3 "$ROOT/tests/programs/compare_safetensors.py" "$@"
}

# The tolerances are those of the reference's README; a key bias has no influence on a softmax, its gradient is noise.
against_reference() {
    rewarded > "$TMP/in.vlrm"
    "$1/vlrm-update" "${common[@]}" --run "$TMP/run" --init init.safetensors --dump "$TMP/dump" "$TMP/in.vlrm" > "$TMP/metrics"
    [ "$(wc -l < "$TMP/metrics")" = 5 ]
    compare "$TMP/dump/step-1.safetensors" step-1.safetensors --tolerance "$2" --only '^grad\.|^values$|^advantages$|^normalised$|^p$'
    compare "$TMP/dump/step-5.safetensors" step-5.safetensors --tolerance "$3" --skip 'key\.bias$|k_proj\.bias$'
    paste -d' ' <(jq -r '.value_loss, .policy_loss, .learning_rate' "$TMP/metrics") <(jq -r '.value_loss, .policy_loss, .learning_rate' steps.jsonl) | near "$4"
}

@test "values, gradients, losses and parameters of five steps are the reference's (f32)" {
    against_reference "$BIN" 1e-4 1e-4 1e-4
}

@test "the same in the double build" {
    [ -x "$ROOT/build/double/bin/vlrm-update" ] || skip "no double build of the programs"
    against_reference "$ROOT/build/double/bin" 1e-9 1e-9 1e-7 # metrics have 9 digits
}

@test "gradients do not depend on the micro-batch, values and probabilities not even in their last bits" {
    rewarded > "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/a" --init init.safetensors --dump "$TMP/da" --max-steps 1 "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/b" --init init.safetensors --dump "$TMP/db" --max-steps 1 --memory 16 --spool-memory 1 "$TMP/in.vlrm"
    compare "$TMP/da/step-1.safetensors" "$TMP/db/step-1.safetensors" --tolerance 1e-5 --skip 'key\.bias$|k_proj\.bias$'
    compare "$TMP/da/step-1.safetensors" "$TMP/db/step-1.safetensors" --tolerance 0 --only '^(values|advantages|normalised|p)$'
}

@test "value loss moves nothing of the policy, the policy loss nothing of the value" {
    # All advantages alike: M is 0, so only the value pass has a gradient.
    jq -c '.reward = {returns: [.caption.tokens[] | 1]}' captions.jsonl | head -6 | vlrm-cat --from=json > "$TMP/flat.vlrm"
    vlrm-update "${common[@]}" --value-head linear --run "$TMP/a" --dump "$TMP/d" "$TMP/flat.vlrm" > "$TMP/m"
    jq -e '.grad_norm.policy == 0' "$TMP/m"
    jq -e '.grad_norm.value > 0' "$TMP/m"
    # Supervised: there is no value pass.
    captions | vlrm-update "${common[@]}" --objective xe --run "$TMP/b" > "$TMP/m"
    jq -es 'all(.grad_norm.value == 0)' "$TMP/m"
    jq -es 'all(.grad_norm.policy > 0)' "$TMP/m"
}

@test "supervised training lowers the loss" {
    captions | vlrm-update --model "$ORACLE/blip2" --objective xe --run "$TMP/run" --batch 30 --learning-rate 3e-3 --warmup-steps 0 > "$TMP/m"
    for _ in 1 2 3 4 5 6 7; do
        jq -c '.id += "+" + $n' --arg n "$RANDOM$RANDOM" captions.jsonl
    done | vlrm-cat --from=json | vlrm-update --model "$ORACLE/blip2" --objective xe --run "$TMP/run2" --batch 30 --learning-rate 3e-3 --warmup-steps 0 > "$TMP/m2"
    jq -es '.[-1].policy_loss < .[0].policy_loss' "$TMP/m2"
}

# ends_as_whole STEPS: the killed run is the uninterrupted one, and nothing is left over.
ends_as_whole() {
    local last file
    last=step-$(printf %06d "$1")
    for file in state/"$last"/{policy,value}.safetensors policy/"$last"/model.safetensors consumed batches/"$last"/{batch.vlrm,policy.safetensors}; do cmp "$TMP/whole/$file" "$TMP/killed/$file"; done
    [ "$(jq -s 'map(.step) == [range(1; $n + 1)]' --argjson n "$1" "$TMP/killed/metrics.jsonl")" = true ]
    [ "$(readlink "$TMP/killed/policy/latest")" = "$last" ]
    [ -z "$(find "$TMP/killed" -name '*.writing-*')" ]
}

steps_taken() {
    local lines=()
    [ ! -e "$TMP/killed/metrics.jsonl" ] || mapfile -t lines < "$TMP/killed/metrics.jsonl"
    taken=${#lines[@]}
}

# ended PID: whether the child has ended, even if nobody has waited for it.
ended() {
    local stat
    read -r stat < "/proc/$1/stat" || return 0
    case ${stat##*) } in Z*) return 0 ;; esac
    return 1
}

# Runs the command and kills it when it is up to three steps further, if it gets there, and a moment has passed: by no clock. Its status.
killed_at_some_moment() (
    trap - DEBUG # bats' own, which makes loops slow
    set +e
    steps_taken
    goal=$((taken + RANDOM % 4))
    "$@" > /dev/null &
    until steps_taken; [ "$taken" -ge "$goal" ] || ended $!; do :; done 2> /dev/null
    for ((moment = RANDOM % 4000; moment > 0; moment--)); do :; done
    kill -9 $!
    wait $!
) 2> "$TMP/said"

@test "killed at random moments, the run ends with the same parameters" {
    for n in 1 2 3; do jq -c --arg n "$n" --slurpfile r rewards.jsonl '($r | map({(.id): .reward}) | add) as $by | .reward = $by[.id] | .id += "+" + $n' captions.jsonl; done |
        vlrm-cat --from=json > "$TMP/in.vlrm"
    long=(vlrm-update "${common[@]}" --batch 1 --keep-batches 2 "$TMP/in.vlrm")
    "${long[@]}" --run "$TMP/whole" > /dev/null
    kills=${KILLS:-20} killed=0
    for ((try = 0; try < 10 * kills && killed < kills; try++)); do
        status=0
        killed_at_some_moment "${long[@]}" --run "$TMP/killed" || status=$?
        case $status in
        137) killed=$((killed + 1)) ;;
        0) ends_as_whole 90; rm -r "$TMP/killed" ;; # it was faster: from the beginning
        *) echo "status $status"; cat "$TMP/said"; return 1 ;;
        esac
    done
    [ "$killed" = "$kills" ]
    "${long[@]}" --run "$TMP/killed" > /dev/null
    ends_as_whole 90
}

@test "the last step has its checkpoint, at the end of input as when interrupted, whatever --checkpoint-every" {
    rewarded > "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/each" "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/some" --checkpoint-every 2 --max-steps 3 "$TMP/in.vlrm"
    [ -s "$TMP/some/state/step-000003/state.json" ]
    mkfifo "$TMP/pipe"
    vlrm-update "${common[@]}" --run "$TMP/some" --checkpoint-every 100 "$TMP/pipe" > "$TMP/m" &
    exec 7> "$TMP/pipe"
    rewarded | head -c $(($(stat -c %s "$TMP/in.vlrm") * 9 / 10)) >&7 # four batches and some of the fifth
    eventually 60 grep -q '"step":4,' "$TMP/m"
    kill -TERM $!
    status=0
    wait $! || status=$?
    exec 7>&-
    [ "$status" = 75 ]
    jq -e '.consumed == 24' "$TMP/some/state/step-000004/state.json" # not the records of a batch that took no step
    vlrm-update "${common[@]}" --run "$TMP/some" --checkpoint-every 100 "$TMP/in.vlrm" > "$TMP/m"
    [ "$(jq -c .step "$TMP/m")" = 5 ]
    for file in policy value; do cmp "$TMP/each/state/step-000005/$file.safetensors" "$TMP/some/state/step-000005/$file.safetensors"; done
}

@test "metrics that somebody has cut are gone on with, not filled up" {
    rewarded > "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/run" --max-steps 2 "$TMP/in.vlrm"
    : > "$TMP/run/metrics.jsonl"
    exits 0 vlrm-update "${common[@]}" --run "$TMP/run" "$TMP/in.vlrm"
    says "metrics.jsonl: has 0 bytes"
    [ "$(jq -c .step "$TMP/run/metrics.jsonl" | tr '\n' ' ')" = '3 4 5 ' ]
}

@test "input given again is skipped, an id is consumed once, other input is refused" {
    rewarded > "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/run" "$TMP/in.vlrm"
    exits 0 vlrm-update "${common[@]}" --run "$TMP/run" "$TMP/in.vlrm"
    [ -z "$output" ]
    jq -c '.id = "0003"' captions.jsonl | head -1 | jq -c '.reward = {returns: [.caption.tokens[] | 1]}' > "$TMP/again"
    cat captions.jsonl | jq -c '.reward = {returns: [.caption.tokens[] | 1]}' > "$TMP/lines"
    cat "$TMP/lines" "$TMP/again" | vlrm-cat --from=json > "$TMP/longer.vlrm"
    exits 3 vlrm-update "${common[@]}" --run "$TMP/run" "$TMP/longer.vlrm"
    says "0003: id has been consumed"
    jq -c '.id = "new" + .id' "$TMP/lines" | vlrm-cat --from=json > "$TMP/other.vlrm"
    exits 6 vlrm-update "${common[@]}" --run "$TMP/run" "$TMP/other.vlrm"
    says "is new, but batch 0 of this run has been consumed"
}

@test "a stale or unnamed policy step is refused" {
    rewarded > "$TMP/in.vlrm"
    exits 6 vlrm-update --model "$ORACLE/blip2" --batch 6 --run "$TMP/a" "$TMP/in.vlrm"
    says "caption.step is missing"
    vlrm-cat "$TMP/in.vlrm" | jq -c 'if .caption then .caption.step = 3 else . end' | grep '"id"' | vlrm-cat --from=json > "$TMP/stale.vlrm"
    exits 6 vlrm-update --model "$ORACLE/blip2" --batch 6 --run "$TMP/b" "$TMP/stale.vlrm"
    says "sampled by the policy of step 3, expected step 0"
}

@test "config.json has every option with its value, the models' digests and where the input comes from" {
    rewarded > "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/run" --init init.safetensors --train query,projection --max-steps 1 "$TMP/in.vlrm"
    config=$TMP/run/config.json
    # Each option that the help lists, and no other key.
    vlrm-update --help-options | jq -r '.options[] | select(.group != "Common") | .name' | grep -vxE 'prepare|replay|count|change-options' | sort > "$TMP/options"
    [ "$(wc -l < "$TMP/options")" -gt 30 ]
    diff "$TMP/options" <(jq -r 'del(.digests, .version, .upstream) | keys[]' "$config" | sort)
    # Those that give other numbers, and what --init gave, are what the run compares when it goes on.
    diff <(vlrm-update --help-options | jq -r '.options[] | select(.numbers) | .name' | cat - <(echo init) | sort) <(jq -r '.options | keys[]' "$TMP"/run/state/step-000001/state.json)
    jq -e '.batch == 6 and .["learning-rate"] == 1e-3 and .["adam-beta2"] == 0.999 and .train == ["query", "projection"] and .objective == "vlrm"
        and .dump == null and .["off-policy"] == true and .["lora-rank"] == 4' "$config"
    [ "$(jq -r .digests.base "$config")" = "$(vlrm-weights digest "$ORACLE/blip2" | cut -f1)" ]
    [ "$(jq -r .digests.encoder "$config")" = "$(vlrm-weights digest "$ORACLE/blip2" vision_model.embeddings. vision_model.encoder. | cut -f1)" ]
    [ "$(jq -r .digests.init "$config")" = "$(vlrm-weights digest init.safetensors | cut -f1)" ]
    jq -e '.upstream.vlrm == 1' "$config"
    [ -z "$(find "$TMP/run" -name '*.writing-*')" ]
    # Given back, it says the same again, and keeps what it knew of the input while there is none.
    cp "$config" "$TMP/before.json"
    vlrm-update --config "$TMP/before.json" --prepare
    diff <(jq -S . "$TMP/before.json") <(jq -S . "$config")
    vlrm-update --config "$TMP/before.json" --max-steps 2 --threads 2 -v --keep 7 "$TMP/in.vlrm" > "$TMP/m"
    [ "$(jq .step "$TMP/m")" = 2 ]
    jq -e '.keep == 7 and .threads == 2' "$config"
}

@test "options that change the mathematics are refused on resume: which, found, expected" {
    rewarded > "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/run" --max-steps 1 "$TMP/in.vlrm"
    while read -r name value was; do
        exits 6 vlrm-update "${common[@]}" --max-steps 1 "--$name" "$value" --run "$TMP/run" "$TMP/in.vlrm"
        says "--$name is $value, expected $was as in the steps before"
    done <<< 'lora-rank 2 4
        lora-alpha 4.0 8.0
        learning-rate 0.5 0.001
        value-learning-rate 0.5 0.0
        warmup-steps 7 3
        adam-beta1 0.5 0.9
        adam-beta2 0.5 0.999
        adam-epsilon 0.5 1e-8
        max-grad-value 0.5 1.0
        max-grad-norm 0.5 0.0
        seed 7 1
        batch 7 6
        max-lag 7 0
        memory 77 2048'
    exits 6 vlrm-update "${common[@]}" --train query --run "$TMP/run" "$TMP/in.vlrm"
    says '--train is ["query"], expected ["query", "qformer", "projection"]'
    exits 6 vlrm-update "${common[@]}" --init init.safetensors --run "$TMP/run" "$TMP/in.vlrm"
    says "expected null as in the steps before"
    exits 6 vlrm-update "${common[@]}" --crop --run "$TMP/run" "$TMP/in.vlrm"
    says "--crop is true, expected false"
    exits 6 vlrm-update "${common[@]}" --objective xe --run "$TMP/run" "$TMP/in.vlrm"
    says '--objective is "xe", expected "vlrm"'
    # Another model of the same shape.
    cp -r "$ORACLE/blip2" "$TMP/blip2"
    printf '\1' | dd of="$TMP/blip2/model.safetensors" bs=1 seek=$(($(stat -c %s "$TMP/blip2/model.safetensors") - 1)) conv=notrunc status=none
    exits 6 vlrm-update "${common[@]}" --model "$TMP/blip2" --run "$TMP/run" "$TMP/in.vlrm"
    says "digest of base is"
    # The run is as it was; what does not change numbers may differ, and all may when it is asked for.
    jq -e '.step == 1 and .options.seed == 1' "$TMP/run/state/step-000001/state.json"
    vlrm-update "${common[@]}" --max-steps 2 --threads 2 --keep 5 --check-logp 1 --collapse-length 1 --run "$TMP/run" "$TMP/in.vlrm"
    exits 0 vlrm-update "${common[@]}" --max-steps 3 --seed 7 --change-options --run "$TMP/run" "$TMP/in.vlrm"
    says "--seed changes from 1 to 7"
    jq -e '.options.seed == 7' "$TMP/run/state/step-000003/state.json"
}

@test "so are options of the stages before, as far as their headers tell" {
    head -12 captions.jsonl | jq -c '{id, frame}' | vlrm-cat --from=json > "$TMP/frames.vlrm"
    # pipeline TEMPERATURE GAMMA THREADS OPTION..
    pipeline() {
        vlrm-rollout --model "$ORACLE/blip2" --sample --temperature "$1" --threads "$3" "$TMP/frames.vlrm" |
            vlrm-reward --model "$ORACLE/blip2" --itm "$ORACLE/itm" --gamma "$2" --threads "$3" > "$TMP/rewarded.vlrm"
        run vlrm-update "${common[@]}" --run "$TMP/run" "${@:4}" "$TMP/rewarded.vlrm"
    }
    pipeline 2 1 1 --max-steps 1
    [ "$status" = 0 ]
    jq -e '.upstream.stage == "reward" and .upstream.params.gamma == 1 and .upstream.upstream.params.temperature == 2' "$TMP/run/config.json"
    pipeline 3 1 1
    [ "$status" = 6 ]
    says "--temperature of rollout is 3.0, expected 2.0 as in the steps before"
    pipeline 2 0.5 1
    [ "$status" = 6 ]
    says "--gamma of reward is 0.5, expected 1.0 as in the steps before"
    pipeline 2 1 2
    [ "$status" = 0 ]
    [ "$(readlink "$TMP/run/policy/latest")" = step-000002 ]
    pipeline 2 0.5 1 --change-options
    [ "$status" = 0 ]
    says "--gamma of reward changes from 1.0 to 0.5"
    jq -e '.upstream.params.gamma == 0.5' "$TMP/run/config.json"
}

@test "a run that has taken no step yet may be started with other options: its first policy is theirs" {
    vlrm-update "${common[@]}" --run "$TMP/run" --prepare
    vlrm-update "${common[@]}" --run "$TMP/run" --init init.safetensors --prepare
    vlrm-update "${common[@]}" --run "$TMP/other" --init init.safetensors --prepare
    cmp "$TMP/run/policy/step-000000/model.safetensors" "$TMP/other/policy/step-000000/model.safetensors"
    jq -e '.init == "init.safetensors"' "$TMP/run/config.json"
    # With the same options it is left alone: somebody may be reading it.
    inode=$(stat -c %i "$TMP/run/policy/step-000000")
    mkdir "$TMP/run/collapse"
    touch "$TMP/run/config.json.writing-1" "$TMP/run/collapse/step-000001.writing-1" "$TMP/run/mine.writing-1"
    vlrm-update "${common[@]}" --run "$TMP/run" --init init.safetensors --prepare
    [ "$(stat -c %i "$TMP/run/policy/step-000000")" = "$inode" ]
    [ "$(find "$TMP/run" -name '*.writing-1')" = "$TMP/run/mine.writing-1" ] # what killed ones left behind is gone
}

@test "a cut input is no batch" {
    rewarded > "$TMP/in.vlrm"
    head -c 4000 "$TMP/in.vlrm" > "$TMP/cut.vlrm"
    exits 5 vlrm-update "${common[@]}" --batch 30 --run "$TMP/run" "$TMP/cut.vlrm"
    says "incomplete"
    [ "$(readlink "$TMP/run/policy/latest")" = step-000000 ]
}

@test "records without what a step needs are counted, the others go on" {
    { head -5 captions.jsonl | jq -c '.reward = {returns: [.caption.tokens[] | 1]}'
      sed -n 6p captions.jsonl
      sed -n 7p captions.jsonl | jq -c '.reward = {returns: [1]} | .caption.tokens += [5]'
    } | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 3 vlrm-update --model "$ORACLE/blip2" --off-policy --batch 7 --run "$TMP/run" "$TMP/in.vlrm"
    says "record 0005: reward.returns is missing"
    says "reward.returns has 1 numbers for"
}

@test "the other options: linear value head, norm clamping, other ranks, adapters of the policy" {
    rewarded returns_rs > "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --value-head linear --max-grad-norm 0.1 --lora-rank 2 --run "$TMP/a" "$TMP/in.vlrm" > "$TMP/m"
    [ "$(wc -l < "$TMP/m")" = 5 ]
    vlrm-update "${common[@]}" --train lora-vision,lora-llm --value-head mlp:layers=2,width=2 --run "$TMP/b" "$TMP/in.vlrm" > "$TMP/m"
    jq -es 'all(.grad_norm.policy > 0)' "$TMP/m"
    # A norm for each group: together they are those of policy and value.
    jq -es 'all(.grad_norm | (keys == ["lora-llm", "lora-vision", "policy", "value", "value-head", "value-lora"]) and
        (.["lora-llm"] * .["lora-llm"] + .["lora-vision"] * .["lora-vision"] - .policy * .policy | fabs) < 1e-5 * .policy * .policy and
        (.["value-head"] * .["value-head"] + .["value-lora"] * .["value-lora"] - .value * .value | fabs) < 1e-5 * .value * .value)' "$TMP/m"
    jq -es '.[0].grad_norm | .["lora-llm"] > 0 and .["lora-vision"] > 0' "$TMP/m"
    [ -s "$TMP/b/policy/latest/adapter/adapter_config.json" ]
}

@test "metrics, TensorBoard events, recorded values, collapse" {
    rewarded > "$TMP/in.vlrm"
    exits 7 vlrm-update "${common[@]}" --run "$TMP/run" --tensorboard "$TMP/tb" --record "$TMP/rec.vlrm" --collapse-length 1000 --stop-on-collapse "$TMP/in.vlrm"
    says "length is outside its limits"
    [ "$(vlrm-cat --count "$TMP/run/collapse/step-000001/batch.vlrm")" = 6 ]
    python3 "$ROOT/tests/update/read_events.py" "$TMP"/tb/events.out.tfevents.* > "$TMP/events"
    # Every number of the metrics, zeros too, under its path.
    paths='[paths(type == "number") as $p | [($p | join("/")), getpath($p)]] | sort | .[] | @tsv'
    diff <(jq -r "$paths" "$TMP/run/metrics.jsonl" | cut -f1) <(jq -r "$paths" "$TMP/events" | cut -f1)
    paste <(jq -r "$paths" "$TMP/run/metrics.jsonl" | cut -f2) <(jq -r "$paths" "$TMP/events" | cut -f2) | near 1e-6
    jq -e '.noeos_rate == 0 and .["value/mean"] == 0' "$TMP/events"
    jq -e 'contains({reward: {}, sim: {}, ref: {}, itm: {}, phi: {}, return: {}, value: {}, length: {}, grad_norm: {}, seconds: {}})
        and ([.reward, .ref, .itm, .phi, .return, .value, .length] | all(has("mean") and has("std")))
        and (.seconds | has("encode") and has("values") and has("policy") and has("optimizer") and has("step"))
        and (["step", "batch", "captions", "tokens", "value_loss", "explained_variance", "advantage_std", "policy_loss", "p_mean", "entropy",
            "learning_rate", "eos_rate", "noeos_rate", "bad_rate", "repeat_rate", "distinct_1", "distinct_2", "images_per_second",
            "peak_memory_mib", "repeated"] - keys == [])' "$TMP/run/metrics.jsonl"
    run vlrm-cat "$TMP/rec.vlrm"
    [ "$(echo "$output" | jq -s 'map(select(.id)) | all(.value.values | length > 0)')" = true ]
}

@test "counts of the parts are said" {
    rewarded > "$TMP/in.vlrm"
    exits 0 vlrm-update -v "${common[@]}" --run "$TMP/run" --max-steps 1 "$TMP/in.vlrm"
    says "projection: 800 parameters"
    says "value-lora:"
}

@test "a recording that cannot be written ends the run, which says where and why" {
    rewarded > "$TMP/in.vlrm"
    exits 1 vlrm-update "${common[@]}" --run "$TMP/run" --record /dev/full --max-steps 1 "$TMP/in.vlrm"
    says '/dev/full: write: No space left on device'
}

@test "a full disk keeps the checkpoint before it" {
    [ "$(id -u)" = 0 ] || skip "needs root to mount a small file system"
    mkdir "$TMP/small"
    mount -t tmpfs -o size=4m none "$TMP/small" 2> /dev/null || skip "cannot mount a tmpfs here"
    rewarded > "$TMP/in.vlrm"
    run vlrm-update "${common[@]}" --keep 100 --run "$TMP/small/run" "$TMP/in.vlrm"
    newest=$(find "$TMP/small/run/state" -maxdepth 1 -name 'step-??????' | sort | tail -1)
    left=$(find "$TMP/small/run" -name '*.writing-*')
    cp -r "$newest" "$TMP/kept"
    umount "$TMP/small"
    [ "$status" = 1 ]
    says "No space left on device"
    [ -z "$left" ]
    [ -s "$TMP/kept/state.json" ]
}

@test "each checkpoint has the value pass's LoRA in PEFT's layout, and its head" {
    rewarded > "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/run" --max-steps 2 "$TMP/in.vlrm"
    value=$TMP/run/state/step-000002/value
    jq -e '.peft_type == "LORA" and .r == 4 and .lora_alpha == 8 and (.target_modules | length) == 12 and all(.target_modules[]; startswith("language_model."))' "$value/adapter_config.json"
    # The very tensors that the run goes on from.
    vlrm-weights convert "$value/adapter_model.safetensors" --out "$TMP/a.safetensors"
    compare "$TMP/a.safetensors" "$TMP/run/state/step-000002/value.safetensors" --tolerance 0 --only '^base_model'
    compare "$value/value_head.safetensors" "$TMP/run/state/step-000002/value.safetensors" --tolerance 0 --only '^value_head'
}

@test "a dump given back as --init is what it was; a file of other tensors is refused" {
    rewarded > "$TMP/in.vlrm"
    parts=("${common[@]}" --value-head linear --train "query,qformer,projection,lora-vision,lora-llm" --max-steps 1)
    vlrm-update "${parts[@]}" --run "$TMP/a" --dump "$TMP/da" "$TMP/in.vlrm"
    # Without a rate nothing moves; another seed would start adapters and head elsewhere.
    vlrm-update "${parts[@]}" --run "$TMP/b" --init "$TMP/da/step-1.safetensors" --dump "$TMP/db" --learning-rate 0 --seed 9 "$TMP/in.vlrm"
    compare "$TMP/db/step-1.safetensors" "$TMP/da/step-1.safetensors" --tolerance 0 --skip '^grad\.|^values$|^advantages$|^normalised$|^p$' > "$TMP/said"
    cmp "$TMP/a/policy/step-000001/adapter/adapter_model.safetensors" "$TMP/b/policy/step-000001/adapter/adapter_model.safetensors"
    exits 6 vlrm-update "${parts[@]}" --run "$TMP/c" --init "$ORACLE/clip/model.safetensors" "$TMP/in.vlrm"
    says "tensors is of a trained part"
    [ ! -e "$TMP/c" ]
}

@test "a gradient that is not finite moves no parameter; the batch is kept" {
    rewarded | vlrm-cat | jq -c 'if .id == "0002" then .reward.returns[0] = 1e300 else . end' | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 7 vlrm-update "${common[@]}" --run "$TMP/run" "$TMP/in.vlrm"
    says "batch 0: step 1 would not be finite: value loss inf, policy loss "
    says "gradient norms: value "
    [ ! -s "$TMP/run/metrics.jsonl" ]
    [ "$(readlink "$TMP/run/policy/latest")" = step-000000 ]
    [ "$(vlrm-cat --count "$TMP/run/collapse/step-000001/batch.vlrm")" = 6 ]
    # Without that batch the run goes on from where it was.
    rewarded > "$TMP/in.vlrm"
    vlrm-update "${common[@]}" --run "$TMP/run" "$TMP/in.vlrm" > "$TMP/m"
    vlrm-update "${common[@]}" --run "$TMP/whole" "$TMP/in.vlrm" > "$TMP/m"
    cmp "$TMP/whole/state/step-000005/policy.safetensors" "$TMP/run/state/step-000005/policy.safetensors"
}

@test "a value loss far above that of the run's own first steps is warned of, at the same steps when the run was interrupted" {
    # Returns grow twentyfold at step 31: a loss far below the fixed limit.
    for n in 1 20; do
        jq -c --argjson n "$n" '.id += "+\($n)" | .reward = {returns: [.caption.tokens[] | 0.5 * $n]}' captions.jsonl
    done | vlrm-cat --from=json > "$TMP/in.vlrm"
    steps=(vlrm-update "${common[@]}" --batch 1 --learning-rate 1e-6 --value-head linear --collapse-length 1 "$TMP/in.vlrm")
    "${steps[@]}" --run "$TMP/whole" > "$TMP/metrics" 2> "$TMP/said"
    grep -q 'value_loss is outside its limits: in the last 10 steps its median is ' "$TMP/said"
    jq -es 'map(select(.collapse)) | .[0].collapse == "value_loss" and .[0].step == 35 and length == 26' "$TMP/metrics" # five of ten
    [ "$(grep -c 'outside its limits' "$TMP/said")" = 1 ] # said when it begins
    jq -es 'all(.value_loss < 1000)' "$TMP/metrics"
    for last in 7 15 33 37 60; do
        "${steps[@]}" --run "$TMP/parts" --max-steps "$last" > "$TMP/m" 2> "$TMP/m2"
    done
    diff <(jq -c '[.step, .collapse]' "$TMP/metrics") <(jq -c '[.step, .collapse]' "$TMP/parts/metrics.jsonl")
    diff <(jq .signs "$TMP/whole/state/step-000060/state.json") <(jq .signs "$TMP/parts/state/step-000060/state.json")
    # Zero turns it off.
    "${steps[@]}" --run "$TMP/off" --collapse-value-loss-rise 0 > "$TMP/m" 2> "$TMP/said"
    [ ! -s "$TMP/said" ]
}

@test "--init takes a whole state dict, and says what it passes over" {
    vlrm-weights convert "$ORACLE/blip2" --out "$TMP/whole.safetensors"
    exits 0 vlrm-update "${common[@]}" --run "$TMP/run" --init "$TMP/whole.safetensors" --prepare
    says "whole.safetensors: "
    says "belong to no trained part and are skipped: language_model."
    exits 0 vlrm-update "${common[@]}" --run "$TMP/plain" --prepare
    cmp "$TMP/run/policy/step-000000/model.safetensors" "$TMP/plain/policy/step-000000/model.safetensors"
    exits 0 vlrm-update "${common[@]}" --run "$TMP/dumped" --init init.safetensors --prepare
    [ -z "$output" ] # what --dump writes of trained parts is not skipped
}
