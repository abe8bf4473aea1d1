# vlrm demo, vlrm premise, vlrm reproduce: the recipes of the miniature, in small. Without share/tiny they run on random models, and
# what models must know cannot be asked.

setup() {
    load ../programs/common
    cd "$BATS_TEST_TMPDIR" || return
    export VLRM_GRACE_SECONDS=1 MODELS=$ROOT/share/tiny
    [ -d "$MODELS" ] || random_models
    export MINI_TRAIN_CLIPS=12 MINI_TEST_CLIPS=6 MINI_DEMO_TRAIN_CLIPS=12 MINI_DEMO_TEST_CLIPS=6 MINI_BATCH=8 MINI_STEPS=4 MINI_EVERY=2
    export MINI_DEMO_STEPS=4 MINI_DEMO_EVERY=2 MINI_PREMISE_FRAMES=20
    vlrm=$ROOT/bin/vlrm
}

# In the place of the bundled models, where there are none.
random_models() {
    local oracle=$ROOT/tests/golden/oracle/tiny
    MODELS=$PWD/models
    mkdir -p "$MODELS"
    ln -sfn "$oracle/blip2" "$MODELS/captioner"
    ln -sfn "$oracle/itm" "$MODELS/itm"
    ln -sfn "$oracle/clip" "$MODELS/clip"
    ln -sfn "$oracle/clip" "$MODELS/judge"
    ln -sfn "$ROOT/tests/golden/models/captioner/smolvlm/model" "$MODELS/smolvlm"
    ln -sfn "$oracle/blip2" "$MODELS/language"
}

@test "demo: trains, measures before and after, shows captions and says where the page is" {
    exits 0 "$vlrm" demo run
    says 'step 4: reward'
    for row in base VLRM truth; do grep -qE "^$row +[0-9.]+( +[0-9.-]+){9}$" <<<"$output"; done
    page=$(sed -n 's/^Frames with .*: \(.*\)$/\1/p' <<<"$output")
    sed -n '/id="data"/{n;p}' "$page" | jq -e '(.runs[0].name == "VLRM") and ([.runs[0].evals[].step] == [-1, 0, 2, 4]) and .runs[0].evals[3].truth.detail_recall != null'
    [ "$(sqlite3 run/page/history.sqlite "SELECT group_concat(DISTINCT step) FROM eval WHERE run = 'VLRM'")" = 0,2,4 ]
    jq -e '.detail_recall == 1 and .hallucination == 0' run/truth.truth.json
    # Again: nothing is trained or measured, the same is shown.
    first=$output
    cp run/vlrm/metrics.jsonl before.jsonl
    touch -d 2000-01-01 run/page/VLRM/step-4.json
    exits 0 "$vlrm" demo run
    [ "$(grep -A5 MRR <<<"$output")" = "$(grep -A5 MRR <<<"$first")" ]
    cmp run/vlrm/metrics.jsonl before.jsonl
    [ -z "$(find run/page/VLRM/step-4.json -newermt 2001-01-01)" ]
    MINI_BATCH=9 exits 1 "$vlrm" demo run
    says 'MINI_BATCH="9"'
    says 'begun with other settings or models'
}

@test "demo: a missing model, an unknown option" {
    MODELS=nowhere exits 1 "$vlrm" demo run
    says 'no model in nowhere/captioner'
    exits 2 "$vlrm" demo --fast
    exits 0 "$vlrm" demo --help
    says 'usage: vlrm demo'
}

# The premise of reinforcement, as share/tiny/README.md says it was measured. Captions are drawn by frame ids, which name the folder.
# bats test_tags=slow
@test "premise: the bundled scorer prefers the longer truth, and the truth to a changed detail; the judge finds long truths" {
    [ -d "$ROOT/share/tiny" ] || skip 'no share/tiny: there are no bundled models to ask'
    MINI_PREMISE_FRAMES=500 exits 0 "$vlrm" premise run
    jq -e '.scenes == 500 and .longer_preferred >= 0.9 and .truth_preferred >= 0.95 and .exchange_refused >= 0.9 and .["judge_r@1"] >= 0.95 and
        .long_truths_punished == 0' run/premise.json
}

@test "premise: models that know nothing end with status 7, a line for each share" {
    random_models
    exits 7 "$vlrm" premise run
    says 'vlrm premise: judge_r@1 is '
    jq -e '.scenes == 20 and .longer_preferred <= 1' run/premise.json
}

# verdict CLAIM MEMBER VLRM VLRM OTHER OTHER: what the report of run/results.json finds and says of CLAIM when MEMBER of the two seeds of
# VLRM and of the other main rows were these, each in the mean of its last two policies.
verdict() {
    jq --argjson member "$2" --argjson vlrm "[$3, $4]" --argjson other "[$5, $6]" '
        {VLRM: $vlrm, "VLRM-RS": $other, "no-reference": $other} as $values |
        {"test": 0.004, "test-2": -0.004} as $swing |
        .rows |= map(if $swing[.set] and $values[.row] then setpath($member; $values[.row][.seed - 1] + $swing[.set]) else . end)' run/results.json >changed.json
    jq -nr --slurpfile results changed.json -f "$ROOT/pipelines/reproduction.jq" | sed -n "s/^| $1 | [^|]* | \(.*\) |$/\1/p"
}

# nobody_writes FOLDER: nobody is at work in it any more.
nobody_writes() {
    no pgrep -f -- "--run $1/runs"
}

# bats test_tags=slow
@test "reproduce: interrupted it stops its trainings; then it goes on and reports every row, and is done" {
    export MINI_SEEDS='1 2' MINI_LONGER=6 MINI_CURVE_FRAMES=6 MINI_GROUP=4 MINI_PARTS=2 MINI_CRITIC_WARMUP=2 MINI_VALUE_UPDATES=2
    export MINI_ROWS='VLRM VLRM-RS no-reference no-bad-penalty rloo greedy critic-all value-head-linear train-all+lora-vision train-lora-llm train-projection another-captioner another-reference'
    "$vlrm" reproduce "$PWD/run" >out 2>err &
    recipe=$!
    eventually 60 test -s run/runs/VLRM.1/metrics.jsonl
    kill -TERM "$recipe"
    wait "$recipe" || status=$?
    [ "$status" = 75 ] || { cat out err; false; }
    grep -q 'interrupted; the same command continues' err
    nobody_writes "$PWD/run"
    [ ! -e run/reproduction.md ]
    exits 0 "$vlrm" reproduce "$PWD/run"
    says "the report: $PWD/run/reproduction.md"
    report=run/reproduction.md
    for row in REF base VLRM VLRM-RS no-reference no-bad-penalty rloo greedy critic-all value-head-linear train-projection train-lora-llm 'train-all+lora-vision' another-captioner-base another-captioner another-reference; do
        grep -qE "^\| ${row/+/.} \|( [0-9.-]+( ± [0-9.]+)? \|){8} [12] \|$" "$report" || { echo "no row $row"; cat "$report"; false; }
    done
    jq -e '(.rows | map(select(.set == "test" and .row == "VLRM")) | map(.seed)) == [1, 2]' run/results.json
    [ "$(wc -l <run/runs/VLRM.1.seconds) $(wc -l <run/runs/no-reference.2.seconds)" = '2 1' ] # that one was interrupted
    jq -e '(.rows | map(select(.set == "other")) | map(.row) | unique) == ["REF", "REF-short", "VLRM", "VLRM-RS", "base", "no-reference"]' run/results.json
    jq -e '(.steps | map(select(.run == "VLRM").step) | sort) == [0, 2, 4] and (.trainings | length) == 20' run/results.json
    # Another captioner, with every seed, and as it was.
    jq -e '.rows | map(select(.set == "test" and (.row | startswith("another-captioner"))) | "\(.row) \(.seed)") == ["another-captioner-base 0",
        "another-captioner 1", "another-captioner 2"]' run/results.json
    [ "$(grep -cE '^\| another captioner( \(SmolVLM-shaped\), base|, VLRM: its connector) \|( [0-9.]+( ± [0-9.]+)? \|){6} [12] \|$' "$report")" = 2 ]
    jq -e --arg model "$(vlrm-weights digest "$MODELS/smolvlm")" '.digests.base == $model' run/runs/another-captioner.2/config.json
    # Another reference, with every seed: its own rewards by the same captioner.
    jq -e '.rows | map(select(.set == "test" and .row == "another-reference").seed) == [1, 2]' run/results.json
    [ "$(grep -cE '^\| VLRM, ref by another LM \|( [0-9.]+( ± [0-9.]+)? \|){6} 2 \|$' "$report")" = 1 ]
    no diff <(jq .ref.mean run/runs/VLRM.1/metrics.jsonl | head -n 1) <(jq .ref.mean run/runs/another-reference.1/metrics.jsonl | head -n 1)
    # Other baselines, by captions and by seconds, and how noisy their gradients are.
    jq -e '[.rows[] | select(.row == "rloo" and (.set | startswith("curve-"))) | .set] | unique == ["curve-2", "curve-4", "curve-6"]' run/results.json
    jq -e '.trainings | map(select(.row == "rloo" or .row == "greedy" or .row == "VLRM")) | length == 6 and all(.all.grad_agreement > 0 and .all.grad_agreement <= 1 and (.clock | length >= 2) and (.clock | map(.seconds) | . == sort))' run/results.json
    [ "$(grep -cE '^\| (VLRM|rloo|greedy) \|( [0-9.-]+( ± [0-9.]+)? \|){4} [0-9]+ \|' "$report")" = 3 ]
    grep -qE '^\| VLRM \| 4, 4 \|' "$report"
    grep -qE '^\| critic-all \| [0-9.]+ \| [0-9.]+ \|' "$report"
    grep -q 'the one to begin with is' "$report"
    jq -e '(.rows | map(select(.set == "test-2") | "\(.row) \(.seed)") | sort) == ["VLRM 1", "VLRM 2", "VLRM-RS 1", "VLRM-RS 2",
        "no-reference 1", "no-reference 2"]' run/results.json
    [ "$(grep -cE '^\| (VLRM|VLRM-RS|no-reference) \| [12] \| [0-9.]+, [0-9.]+ \| [0-9.]+, [0-9.]+ \|$' "$report")" = 6 ]
    # The mean and the spread of two seeds, by another way; to the last digit that the report has.
    found=$(sed -nE 's/^\| VLRM \| ([0-9.]+) ± ([0-9.]+) .*/\1 \2/p' "$report" | head -n 1)
    jq -e --arg found "$found" '($found | split(" ") | map(tonumber)) as [$mean, $spread] |
        (.rows | map(select(.set == "test" and .row == "VLRM").mean.mrr)) as [$a, $b] |
        (($a + $b) / 2 - $mean | fabs <= 0.00051) and (($a - $b | fabs) * 0.70710678 - $spread | fabs <= 0.00051)' run/results.json
    sed -n '/id="data"/{n;p}' run/page/index.html | jq -e '(.runs | map(.name)) == ["VLRM", "VLRM-RS"] and ([.runs[1].evals[].step] == [-1, 0, 2, 4])'
    # A fall counts when seeds agree on it (t of one degree of freedom: 6.314).
    grammar='without the reference term grammar falls' recall='without the reference term recall does not fall'
    [ "$(verdict "$grammar" '["truth", "grammar"]' 0.99 0.98 0.95 0.942)" = '0.039 ± 0.006 | yes' ]
    [ "$(verdict "$grammar" '["truth", "grammar"]' 0.99 0.98 0.95 0.98)" = '0.020 ± 0.126 | **no**' ]
    [ "$(verdict "$grammar" '["truth", "grammar"]' 0.95 0.942 0.99 0.98)" = '-0.039 ± 0.006 | **no**' ]
    [ "$(verdict "$recall" '["mean", "r@1"]' 0.93 0.92 0.89 0.882)" = '0.039 ± 0.006 | **no**' ]
    [ "$(verdict "$recall" '["mean", "r@1"]' 0.93 0.92 0.89 0.92)" = '0.020 ± 0.126 | yes' ]
    more='VLRM-RS is at least VLRM in R@1, both by their last policies kept'
    [ "$(verdict "$more" '["mean", "r@1"]' 0.93 0.92 0.89 0.97)" = '0.930 | yes' ]
    [ "$(verdict "$more" '["mean", "r@1"]' 0.93 0.92 0.89 0.95)" = '0.920 | **no**' ]
    # A run begun before some setting or model was there goes on; one with another setting does not.
    sed -i '/^language=/d; /^MINI_LATE=/d' run/settings
    MINI_BATCH=9 exits 1 "$vlrm" reproduce "$PWD/run"
    says 'begun with other settings or models'
    # Once more: nothing is trained again, the report is the same.
    cp "$report" before.md
    touch -d 2000-01-01 run/runs/*/metrics.jsonl run/results/*/*
    exits 0 "$vlrm" reproduce "$PWD/run"
    [ -z "$(find run/runs/*/metrics.jsonl run/results -type f -newermt 2001-01-01)" ]
    cmp "$report" before.md
}

# bats test_tags=slow
@test "reproduce: a training that fails is named, with its log" {
    mkdir other
    cp -RL "$MODELS/." other
    echo '{}' >other/clip/tokenizer_config.json
    : >other/clip/vocab.json
    MODELS=other MINI_SEEDS=1 MINI_ROWS='VLRM VLRM-RS' exits 1 "$vlrm" reproduce run
    says 'vlrm reproduce: VLRM-RS.1 failed, log run/logs/VLRM-RS.1.log'
    grep -q clip run/logs/VLRM-RS.1.log
    [ ! -e run/reproduction.md ]
}
