# shellcheck shell=bash
# shellcheck disable=SC2154 # train.sh has set them
# What a training would take (vlrm train --dry-run): asks each stage for its part and adds them up with plan.jq. Source it after settings.sh.

# options_origins: a JSON object of options: value and where it comes from, those that have their defaults among them.
options_origins() {
    local program name tables=''
    for program in "${programs[@]}"; do tables+=$("$program" --help-options) || return 1; done
    for name in "${!origins[@]}"; do printf '%s\0%s\0' "$name" "${origins[$name]}"; done |
        jq -Rs --slurpfile tables <(printf '%s' "$tables") --slurpfile given "$1" '
            ([$tables[].options[] | select(.default != null) | {(.name): {value: .default, from: "default"}}] | add)
            + (split("\u0000") as $o | [range(0; ($o | length) - 1; 2) | {($o[.]): {value: $given[0][$o[.]], from: $o[. + 1]}}] | add // {})'
}

# stage_plan TOKENS PROGRAM OPTION...: its part, with captions of so many tokens. What it says of a field of $planned, which nobody has
# given it, is of the option.
stage_plan() {
    local status
    { "$2" --config="$planned" "${@:3}" --plan="$1" 2>&1 >&3 3>&- | sed "s|: $planned: |: --|" >&2; status=${PIPESTATUS[0]}; } 3>&1
    [ "$status" = 0 ] || exit "$status"
}

# expected_plan PROGRAM OPTION...: its part, with memory for captions as long as they may become, and seconds for captions of $tokens.
expected_plan() {
    local most
    most=$(stage_plan "$longest" "$@") || exit
    if [ "$tokens" = "$longest" ]; then printf '%s' "$most"; return; fi
    stage_plan "$tokens" "$@" | jq -c --argjson most "$most" '. as $expected | $most | with_entries(
        if .key | startswith("seconds ") then .value = $expected[.key] else . end)'
}

# dry_run: prints the plan; $plan_json: as JSON, $plan_tokens: what captions are long. The exit status is that of a stage which refuses
# its options or models.
dry_run() {
    local longest tokens parts available
    value_of max-new-tokens
    longest=${value:-60} tokens=${plan_tokens:-${value:-60}}
    [[ $tokens =~ ^[1-9][0-9]*$ && ${#tokens} -lt 10 && $tokens -le $longest ]] || usage "--tokens is $tokens, expected 1 to $longest (--max-new-tokens)"
    planned=$(mktemp) || recipe_die 'cannot make a temporary file'
    trap 'rm -f -- "$planned"' EXIT
    settings_print '' >"$planned"
    value_of batch
    parts=$(
        expected_plan vlrm-rollout --sample "$features" --batch 0
        expected_plan vlrm-reward --batch "$value"
        stage_plan "$tokens" vlrm-update --batch "$value"
    ) || exit
    available=$(awk '/^MemAvailable:/ {printf "%.0f", $2 * 1024}' /proc/meminfo)
    jq -n -r --slurpfile stages <(printf '%s' "$parts") --slurpfile options <(options_origins "$planned") --argjson tokens "$tokens" --argjson batch "$value" \
        --argjson longest "$longest" --argjson available "${available:-null}" --arg features "$features" --arg json "$plan_json" --arg verbose "${verbose[*]}" -f "$stages_folder/plan.jq" ||
        recipe_die 'cannot write the plan'
}
