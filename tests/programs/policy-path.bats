# --policy, mistyped: what was found and what was meant, at once; and what is waited for is said.
# bats file_tags=asan

setup() {
    load oracle
    oracle_setup
    small=$ORACLE/blip2
    head -2 captions.jsonl | vlrm-cat --from=json > "$TMP/in.vlrm"
    cd "$TMP" || return
}

# refused POLICY: rollout ends at once, although it would wait for ever.
refused() {
    exits 1 timeout 60 vlrm-rollout --model "$small" --patience 0 --policy "$1" "$TMP/in.vlrm"
}

@test "a run's folder, a model's, a step that is not there, a path that is not there" {
    vlrm-update --model "$small" --run run --prepare
    refused run
    says "run is a run's folder, expected that of its policies: run/policy to follow them, run/policy/latest for the newest"
    refused "$small"
    says "found the configuration of a model, Blip2ForConditionalGeneration, expected that of a policy"
    refused run/policy/step-000007
    says "run/policy/step-000007 is not there: the newest policy in run/policy is step 0"
    refused rum/policy/latest
    says "rum/policy/latest is not there: no policy is published in rum/policy"
    refused rum
    says "rum is not there, expected RUN/policy of a run, or one policy of it, RUN/policy/step-NNNNNN"
    (cd "$ORACLE/f64" && vlrm-rollout --model "$small" --greedy --policy "$TMP/run/policy/step-000000/" "$TMP/in.vlrm" > "$TMP/out")
    refused run/state
    says "run/state holds no policy"
    exits 1 vlrm-weights export --base "$small" --policy run --out out
    says "run is a run's folder"
    exits 1 vlrm-weights export --base "$small" --policy run/policy --out out
    says "run/policy is where a run publishes its policies, expected one of them: run/policy/latest"
}

@test "a run that is not there: nobody is waited for without a pipe; in a pipe, what is waited for is said" {
    vlrm-rollout --model "$small" --policy rum/policy in.vlrm > out 2> err || status=$?
    [ "$status" = 1 ]
    grep -qF 'rum/policy: there is no run rum whose policies could be followed; vlrm-update --run rum begins one' err
    # shellcheck disable=SC2016 # the inner shell's
    exits 1 bash -c 'vlrm-rollout --model "$1" --policy rum/policy --patience 1 in.vlrm 2> err | cat > out; exit "${PIPESTATUS[0]}"' - "$small"
    grep -qF 'rum is not there: waiting for 1 s at most for vlrm-update --run rum to begin it (is the path right?)' err
    mkdir -p run/policy
    vlrm-rollout --model "$small" --policy run/policy --patience 1 in.vlrm > out 2> err || status=$?
    [ "$(grep -c 'run/policy: no policy is published there yet: waiting for vlrm-update --run run' err)" = 1 ]
}
