# Every default that --help-all prints beside the paper's value (arXiv 2404.01911), or ours where MODEL.md says that the paper leaves it open.
# A default that moves is a decision: it moves in this table, in MODEL.md and in the program together.
load common

# program, option, value, where the value is from. TAB-free: columns are parted by blanks.
table() {
    cat <<'EOF'
vlrm-rollout num-beams            5                               Table 2
vlrm-rollout no-repeat-ngram-size 2                               Table 2
vlrm-rollout min-new-tokens       4                               Table 2
vlrm-rollout max-new-tokens       60                              Table 2; training: ours, MODEL.md
vlrm-rollout top-k                6                               section 3.5
vlrm-rollout temperature          2                               section 3.5
vlrm-rollout length-penalty       1                               Table 2 names none: generate()'s
vlrm-rollout num-return           1                               Table 2
vlrm-rollout max-lag              0                               section 3.2: on-policy
vlrm-reward  gamma                1                               equation 1
vlrm-reward  sim-weight           1                               equation 1
vlrm-reward  ref-weight           1                               equation 1
vlrm-reward  noeos-weight         1                               equation 1
vlrm-reward  bad-weight           1                               section 3.4, Table 1
vlrm-reward  repeat-weight        1                               section 3.4, Table 1
vlrm-reward  clip-weight          0.3                             equation 5, VLRM-RS
vlrm-reward  itm-max-tokens       32                              ours, MODEL.md: as LAVIS
vlrm-update  objective            vlrm                            equations 2 to 4
vlrm-update  value-head           residual:blocks=5,width=4       ours, MODEL.md: the 275M of Figure 2
vlrm-update  lora-rank            4                               ours, MODEL.md: the 6M of section 3.5
vlrm-update  lora-alpha           8                               ours, MODEL.md
vlrm-update  learning-rate        1e-5                            section 3.5
vlrm-update  value-learning-rate  0                               ours, MODEL.md: one rate for all
vlrm-update  warmup-steps         20                              section 3.5
vlrm-update  adam-beta1           0.9                             ours, MODEL.md
vlrm-update  adam-beta2           0.999                           ours, MODEL.md
vlrm-update  adam-epsilon         1e-8                            ours, MODEL.md
vlrm-update  max-grad-value       1                               section 3.5
vlrm-update  max-grad-norm        0                               ours, MODEL.md: by value
vlrm-update  max-lag              0                               section 3.2: on-policy
vlrm-eval    recall-k             1,5,10                          Tables 3 to 5
EOF
}

# help_of PROGRAM OPTION: the text that --help-all has of an option, in one line.
help_of() {
    "$1" --help-all | awk -v name="--$2" '
        /^  (-[a-zA-Z], |    )--/ {inside = 0; for (i = 1; i <= 2; i++) {split($i, word, "["); if (word[1] == name) inside = 1}}
        /^[^ ]/ {inside = 0}
        inside {printf "%s ", $0}' | tr -s ' '
}

@test "defaults are the paper's values, and ours where it leaves them open" {
    local program option value from found n=0
    while read -r program option value from; do
        found=$(help_of "$program" "$option")
        [[ $found = *"(default $value)"* || $found = *"(default $value,"* ]] || {
            echo "$program --$option: expected (default $value) ($from), found: $found"
            return 1
        }
        n=$((n + 1))
    done < <(table)
    [ "$n" = 31 ]
}

@test "what the model's family decides is for BLIP-2 as in the paper" {
    vlrm-update --model "$ROOT/tests/golden/oracle/tiny/blip2" --run "$BATS_TEST_TMPDIR/run" --prepare
    jq -e '.train == ["query", "qformer", "projection"]                                # section 3.5
        and .["lora-targets"] == ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"] # ours, MODEL.md
        and .["vision-targets"] == ["qkv", "projection", "fc1", "fc2"]' "$BATS_TEST_TMPDIR/run/config.json"
    exits 6 vlrm-update --model "$ROOT/tests/golden/oracle/tiny/itm" --run "$BATS_TEST_TMPDIR/other" --prepare
}

@test "flags of the paper's variants are off by default" {
    local program option
    while read -r program option; do
        found=$(help_of "$program" "$option")
        [ -n "$found" ]
        [[ $found != *'(default on'* ]]
    done <<'EOF'
vlrm-rollout sample
vlrm-rollout greedy
vlrm-rollout crop
vlrm-reward no-itm
vlrm-reward no-ref
vlrm-update off-policy
EOF
}

@test "vlrm train takes the paper's 4096 captions a step unless told otherwise" {
    grep -q 'given: --batch 4096 (captions per step)' <("$ROOT/bin/vlrm" train --help)
    grep -qx 'option_default text batch 4096' "$ROOT/pipelines/train.sh"
}

@test "MODEL.md says the same of what the paper leaves open" {
    local row
    for row in '| caption length in training | 1 to 60 new tokens |' '| LoRA (6M) | rank 4 on q, k, v, out, fc1, fc2 (5,898,240), alpha 8, B zero |' \
        '| gradient clamp | by value at 1;' '| Adam | beta 0.9, 0.999, eps 1e-8, no weight decay; lr 1e-5 after 20 linear warm-up steps |' \
        '| ITM text length | 32 word pieces with [CLS] and [SEP] |' '5 blocks x + W2 gelu(W1 LN x), width 4d' 'adds 0.3 Phi'; do
        grep -qF -- "$row" "$ROOT/MODEL.md" || { echo "MODEL.md has no: $row"; return 1; }
    done
}

@test "--help-options has each option of --help-all, with its default, and keys that formats/options.md names" {
    local program table
    for program in extract rollout reward update eval weights cat cmp diff tokenize explain; do
        table=$("vlrm-$program" --help-options)
        jq -e --arg program "vlrm-$program" '.program == $program and (.options | length) > 5' <<<"$table"
        diff <("vlrm-$program" --help-all | sed -nE 's/^  (-([a-zA-Z]), |    )--([a-z0-9-]+).*/\2 \3/p') <(jq -r '.options[] | "\(.letter // "") \(.name)"' <<<"$table")
        jq -r '.options[] | select(.default != null and .default != false and .default != []) | .name' <<<"$table" >"$BATS_TEST_TMPDIR/defaults"
        diff "$BATS_TEST_TMPDIR/defaults" <("vlrm-$program" --help-all | sed -E 's/^  (-[a-zA-Z], |    )--([a-z0-9-]+)/@@\2 /' | tr '\n' ' ' | sed 's/@@/\n@/g' |
            grep -E '^@' | grep -E '\(default ([^:]|$)' | sed -E 's/^@([^ ]+).*/\1/')
        jq -r 'keys[], (.options[] | keys[])' <<<"$table" | sort -u | while read -r key; do grep -q "\`$key\`" "$ROOT/formats/options.md" || { echo "no $key"; exit 1; }; done
    done
    vlrm-update --help-options | jq -e '.options | map({(.name): .}) | add
        | (.objective | .type == "enum" and .default == "vlrm" and .choices == ["vlrm", "xe"] and .group == "What is trained" and .numbers)
        and (.["learning-rate"] | .type == "real" and .default == 1e-5 and .min == 0 and .max == 10)
        and (.train | .type == "list" and .default == []) and (.keep | .default == 3 and (.numbers | not))'
    vlrm-extract --help-options | jq -e '.options[] | select(.name == "zstd") | .value == "LEVEL" and .implied == "3" and .default == 0'
}
