# vlrm plan: what a training will take, said before; against the private memory that the stages then take.
# shellcheck disable=SC2016,SC2034 # jq has dollars; some variables are of `read`

setup() {
    load ../programs/common
    cd "$BATS_TEST_TMPDIR" || return
    TINY=$ROOT/share/tiny
    export VLRM_THREADS=2
}

# peak COMMAND...: runs it, into `out`, and sets `most` to the most bytes of memory that were its own.
peak() {
    local bytes=0 pid
    most=0
    "$@" >out 2>said &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        bytes=$(awk '/^RssAnon/ {print $2 * 1024}' "/proc/$pid/status" 2>/dev/null) || bytes=0
        [ "${bytes:-0}" -le "$most" ] || most=$bytes
    done
    wait "$pid" || { cat said; return 1; }
}

# near PLANNED MEASURED: within a quarter, both ways.
near() {
    awk -v p="$1" -v m="$2" 'BEGIN {exit !(p <= 1.25 * m && m <= 1.25 * p)}' || { echo "planned $1 bytes, measured $2"; return 1; }
}

# frames_make N: N pictures, as a stream of frames.
frames_make() {
    local i
    mkdir pictures
    for ((i = 0; i < $1; i++)); do convert -size 48x48 -seed "$i" -depth 8 plasma: "pictures/$i.png"; done
    vlrm-extract pictures >frames 2>/dev/null
}

# stages_are_near MODEL ITM LEAST MOST: each stage's plan against its run, with captions of LEAST to MOST tokens;
# the update's with their mean, for its captions lie on the tape together.
stages_are_near() {
    peak vlrm-rollout --model "$1" --sample --features --min-new-tokens "$3" --max-new-tokens "$4" frames
    near "$(vlrm-rollout --model "$1" --sample --features --max-new-tokens "$4" --plan "$4" 2>/dev/null | jq .private)" "$most"
    mv out captions
    peak vlrm-reward --model "$1" --itm "$2" captions
    near "$(vlrm-reward --model "$1" --itm "$2" --plan "$4" | jq .private)" "$most"
    mv out rewarded
    peak vlrm-update --model "$1" --run run --off-policy --batch 24 --max-steps 1 rewarded
    mean=$(vlrm-cat --fields caption.tokens captions | jq -s '[.[].caption.tokens // empty | length] | add / length | round')
    near "$(vlrm-update --model "$1" --batch 24 --plan "$mean" | jq .private)" "$most"
}

@test "the miniature: no stage takes a quarter more or less than was planned" {
    frames_make 24
    stages_are_near "$TINY/captioner" "$TINY/itm" 40 40
}

# scorers_are_near OPTION...: the plan of vlrm-reward with these scorers against its run on `captions`.
scorers_are_near() {
    peak vlrm-reward --model "$TINY/captioner" "$@" captions
    near "$(vlrm-reward --model "$TINY/captioner" "$@" --plan 40 | jq .private)" "$most"
}

@test "scorers of every kind, and what waits for its batch" {
    frames_make 48
    vlrm-rollout --model "$TINY/captioner" --sample --features --min-new-tokens 40 --max-new-tokens 40 frames >captions
    scorers_are_near --itm "$TINY/itm" --clip "$TINY/clip"
    scorers_are_near --itm "$TINY/itm" --clip "$TINY/clip" --batch 48
    # Beside a model of 0.2 MB, what malloc keeps of freed memory is a tenth of all, and another tenth from run to run: not here.
    MALLOC_MMAP_THRESHOLD_=131072 scorers_are_near --itm "$TINY/itm" --clip "$ROOT/tests/golden/siglip/tiny" --batch 48
    scorers_are_near --no-itm --clip "$TINY/clip" --batch 48
    scorers_are_near --itm "$ROOT/tests/golden/blip-itm/tiny" --itm-max-tokens 35
    scorers_are_near --itm "$TINY/itm" --ref "$TINY/language"
}

@test "a random checkpoint of another shape, in f32, whose vocabulary is large" {
    frames_make 48
    vlrm-weights random --shape blip2-mini --out blip2
    vlrm-weights random --shape itm-mini --out itm
    cp "$TINY"/captioner/{vocab.json,merges.txt,tokenizer_config.json} blip2
    cp "$TINY"/itm/{vocab.txt,tokenizer_config.json} itm
    stages_are_near blip2 itm 4 60
    # Seconds are of the work that is counted: each stage's, and more of it for longer captions.
    for plan in 60-{1..3} 4-{1..3}; do
        "$BIN/vlrm" plan --model blip2 --itm itm --batch 48 --tokens "${plan%-*}" --json >"plan-$plan.json"
        jq -e '. as $p | [.stages[] | (."seconds a caption" // empty) * 48, ."seconds a step" // empty] as [$rollout, $reward, $update] |
            .seconds | .rollout == $rollout and .reward == $reward and .update == $update and .step == .rollout + .reward + .update and all(.[]; . > 0)' "plan-$plan.json"
    done
    # Two to ten times as much, of the least of three: who measures may lose his processor.
    jq -n -e --slurpfile long <(cat plan-60-*.json) --slurpfile short <(cat plan-4-*.json) \
        'all("rollout", "reward", "update"; . as $stage | ([$long[].seconds[$stage]] | min) > ([$short[].seconds[$stage]] | min))'
}

# bats test_tags=slow
@test "true shapes without values: parameters, memory of each stage, and what does not fit" {
    vlrm-weights random --shape blip2-opt-2.7b --zero --dtype bf16 --out zero
    vlrm-weights random --shape blip2-itm-vit-g --zero --dtype bf16 --out itm
    cp "$TINY"/captioner/{vocab.json,merges.txt,tokenizer_config.json} zero
    cp "$TINY"/itm/{vocab.txt,tokenizer_config.json} itm
    exits 0 prlimit --data=16000000000 -- "$BIN/vlrm" plan --model zero --itm itm --batch 64 --json
    jq -e '(.stages[] | select(.stage == "update").trained) == {query: 24576, qformer: 105137664, projection: 1968640, "value-head": 275351041, "value-lora": 5898240}' <<<"${lines[-1]}"
    # Measured with these shapes: a training had 7.8 GB of its own (doc/speed.md), the models 7.5 and 2.3 GB.
    jq -e '.private > 7.8e9 / 1.25 and .private < 7.8e9 * 1.25 and (.mapped | . > 9e9 and . < 1.1e10)' <<<"${lines[-1]}"
}

@test "options and where they come from; nothing is made; what needs less is said" {
    export VLRM_SEED=6
    echo '{"learning-rate": 3e-5}' >mine.json
    exits 0 "$BIN/vlrm" plan --config mine.json --model "$TINY/captioner" --itm "$TINY/itm" --batch 64 --run run
    grep -qE '^  learning-rate +0?[.0-9e-]+ +mine.json$' <<<"$output"
    grep -qE '^  seed +6 +environment$' <<<"$output"
    grep -qE '^  batch +64 +command line$' <<<"$output"
    says 'value-head               693121 parameters'
    says 'of 60 tokens, the most there can be'
    grep -qE '^a step +[0-9.]+ s of computing on this machine at rest: rollout [0-9.]+ s, reward [0-9.]+ s, update [0-9.]+ s; [0-9.]+ s more where ITM' <<<"$output"
    [ ! -e run ]
    "$BIN/vlrm" train --dry-run --json --config mine.json --model "$TINY/captioner" --itm "$TINY/itm" --batch 64 >plan.json
    jq -e '.options["warmup-steps"].from == "default" and .options.seed == {value: "6", from: "environment"} and
        .private == ([.stages[].private] | add) and all(.stages[]; .private == ([.memory[]] | add)) and .mapped < ([.stages[].models[].mapped] | add)' plan.json
    jq -e '.seconds | .step == .rollout + .reward + .update and all(.[]; . > 0)' plan.json
    jq -n -r --slurpfile stages <(jq -c '.stages[]' plan.json) --slurpfile options <(echo '{}') --argjson tokens 60 --argjson available 1000 \
        --argjson batch 64 --argjson longest 60 --arg features --features --arg json '' --arg verbose '' -f "$ROOT/pipelines/plan.jq" | grep -qF 'update     activations'
    exits 2 "$BIN/vlrm" plan --tokens 61 --model "$TINY/captioner" --itm "$TINY/itm"
    says '--tokens is 61, expected 1 to 60'
    exits 2 "$BIN/vlrm" plan --batch many --model "$TINY/captioner" --itm "$TINY/itm"
    says "vlrm-rollout: --batch: 'many' is not a whole number"
    exits 2 "$BIN/vlrm" plan --itm "$TINY/itm"
    says '--model is required'
    exits 1 "$BIN/vlrm" plan --model nowhere --itm "$TINY/itm"
    says nowhere/config.json
    exits 1 bash -c '"$@" >/dev/full' _ "$ROOT/bin/vlrm" plan --model "$TINY/captioner" --itm "$TINY/itm"
    says 'cannot write the plan'
}

# bats test_tags=slow
@test "shorter captions: seconds and the update's memory are of them, room elsewhere is for the longest" {
    local plan=("$BIN/vlrm" plan --model "$TINY/captioner" --itm "$TINY/itm" --batch 64 --json)
    "${plan[@]}" >long.json
    "${plan[@]}" --tokens 10 >short.json
    rewards() { vlrm-reward --model "$TINY/captioner" --itm "$TINY/itm" --batch 64 --plan 40 "$@" | jq '.memory.records // 0'; }
    [ "$(rewards)" = 0 ] # only what waits for its batch is kept
    [ "$(rewards --clip "$TINY/clip")" = $((64 * (37 * 128 * 2 + 48 * 48 * 3))) ] # features and a picture each
    part() { jq ".stages[] | select(.stage == \"$2\") | $3" "$1"; }
    [ "$(part long.json rollout '.memory["keys and values"]')" = "$(part short.json rollout '.memory["keys and values"]')" ]
    [ "$(part long.json reward .private)" -gt $(($(part short.json reward .private) * 9 / 10)) ]
    [ "$(part short.json update .memory.activations)" -lt $(($(part long.json update .memory.activations) / 2)) ]
    exits 0 "$BIN/vlrm" plan --model "$TINY/captioner" --itm "$TINY/itm" --batch 64 --tokens 10 --memory 32
    says 'captions of 10 tokens; where they can be longer is room for 60'
    grep -qE '^update +[0-9]+ captions at once, for --memory 32; all 64 take [0-9.]+ MiB of activations$' <<<"$output"
}
