# vlrm train's settings: --recipe, --config, --print-config; which of several sources wins, and what is refused by name.

setup() {
    load ../programs/common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    cd "$BATS_TEST_TMPDIR" || return
    unset VLRM_CONFIG VLRM_LEARNING_RATE
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1
}

train() {
    "$ROOT/bin/vlrm" train "$@"
}

@test "the recipes hold the paper's settings: programs' defaults, and models by the Hub's names" {
    unset VLRM_THREADS
    for name in vlrm vlrm-rs; do # --train has no default: it is what the model has
        train --recipe "$name" --print-config > "$name.json"
        jq -e '.model == "Salesforce/blip2-opt-2.7b" and .itm == "Salesforce/blip2-itm-vit-g" and .batch == 4096
            and .train == ["query", "qformer", "projection"]' "$name.json" # the default is what the model of the run has
        for program in vlrm-extract vlrm-rollout vlrm-reward vlrm-update; do
            jq -e --slurpfile table <("$program" --help-options) '. as $recipe | ["max", "pick", "batch", "no-ref", "train"] as $set
                | [$table[].options[] | select(.default != null and (.name | IN($set[]) | not) and $recipe[.name] != null and $recipe[.name] != .default) | .name] == []' "$name.json"
        done
    done
    jq -e '.clip == null and .["no-ref"] == null' vlrm.json
    jq -e '.clip == "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k" and .["no-ref"] and .["clip-weight"] == 0.3' vlrm-rs.json
}

@test "the recommended ones: rloo is the paper's without a value head, the miniature's is what vlrm reproduce trains with" {
    jq -e --slurpfile paper "$ROOT/share/recipes/vlrm.json" '
        del(.baseline, .["num-return"]) == ($paper[0] | del(.["value-head", "lora-rank", "lora-alpha"])) and .baseline == "rloo" and .["num-return"] == 8' \
        "$ROOT/share/recipes/vlrm-rloo.json"
    # The command that reproduce would run, as settings.
    (
        . "$ROOT/pipelines/stages.sh"
        . "$ROOT/pipelines/miniature.sh"
        mini_train run clips "$MINI_STEPS" "$MINI_EVERY" --print-config
    ) > ours.json
    train --recipe miniature --model "$ROOT/share/tiny/captioner" --itm "$ROOT/share/tiny/itm" --run run clips --print-config > theirs.json
    diff <(jq -S 'map_values(tonumber? // .)' ours.json) <(jq -S 'map_values(tonumber? // .)' theirs.json)
}

@test "the command line wins over the environment, that over --config, that over --recipe; -v says which" {
    echo '{"learning-rate": 3e-5, "warmup-steps": 7, "top-k": 9, "seed": 5, "sources": ["here"]}' > mine.json
    export VLRM_WARMUP_STEPS=8 VLRM_SEED=6
    train --recipe vlrm --config mine.json --seed 4 --print-config -v > all.json 2> origins
    jq -e '.seed == "4" and .["warmup-steps"] == "8" and .["learning-rate"] == 3e-5 and .["top-k"] == 9 and .["lora-rank"] == 4 and .batch == 4096 and .sources == ["here"]' all.json
    grep -qx 'seed: command line' origins
    grep -qx 'warmup-steps: environment' origins
    grep -qx 'top-k: mine.json' origins
    grep -qx 'lora-rank: recipe vlrm' origins
    # What is printed is taken back.
    unset VLRM_WARMUP_STEPS VLRM_SEED
    train --config all.json --print-config > again.json
    jq -e --slurpfile a all.json '. == $a[0]' again.json
    train --config mine.json --print-config there | jq -e '.sources == ["there"] and .max == "1"'
    train --recipe ./mine.json --print-config -v 2>&1 > /dev/null | grep -qx 'top-k: recipe ./mine.json'
}

@test "what is wrong in a file is refused by name, before anything is made" {
    refused() {
        echo "$1" > bad.json
        exits 2 train --run run --config bad.json clips
        says "$2"
        [ ! -e run ]
    }
    refused '{"lerning-rate": 1}' 'bad.json: no stage has an option "lerning-rate"'
    refused '{"learning_rate": 1}' 'bad.json: no stage has an option "learning_rate"; did you mean "learning-rate"?'
    refused '{"policy": "x"}' 'bad.json: "policy" cannot be used in training'
    refused '{"loop": "yes"}' 'bad.json: "loop" is "yes", expected true or false'
    refused '[1]' 'bad.json: expected a JSON object of options by name'
    refused '{"a": ' 'bad.json: expected a JSON object of options by name'
    exits 2 train --run run --config none.json clips
    says 'cannot read none.json'
    exits 2 train --run run --recipe vrlm clips
    says 'no recipe "vrlm": there are miniature vlrm vlrm-rloo vlrm-rs, or name a file NAME.json'
    exits 2 train --run run --config
    says '--config needs a value'
}

@test "a run by a file is the run by its options; its train.json makes the same run again" {
    jq -n --arg o "$ORACLE" '{model: ($o + "/blip2"), itm: ($o + "/itm"), "learning-rate": 1e-3, "warmup-steps": 2, batch: 6, "max-steps": 1, "train": ["query", "projection"]}' > mine.json
    train --run a --config mine.json "$ORACLE/f64/images" > /dev/null
    train --run b --model "$ORACLE/blip2" --itm "$ORACLE/itm" --learning-rate 1e-3 --warmup-steps 2 --batch 6 --max-steps 1 --train query,projection "$ORACLE/f64/images" > /dev/null
    train --run c --config a/train.json > /dev/null
    for other in b c; do cmp a/policy/latest/model.safetensors "$other/policy/latest/model.safetensors"; done
    # Taken up again it has nothing to do; with another setting it is refused.
    train --run a --config mine.json "$ORACLE/f64/images" > again
    [ ! -s again ]
    exits 6 train --run a --config mine.json --learning-rate 2e-3 --max-steps 2 "$ORACLE/f64/images"
}
