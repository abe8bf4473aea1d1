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

# stage_plan PROGRAM OPTION...: its part, with at most so many tokens as captions may have.
stage_plan() {
    "$1" --config="$planned" "${@:2}" --plan="$tokens" || exit
}

# dry_run: prints the plan; $plan_json: as JSON. The exit status is that of a stage which refuses its options or models.
dry_run() {
    local tokens parts available
    value_of max-new-tokens
    tokens=${value:-60}
    planned=$(mktemp) || recipe_die 'cannot make a temporary file'
    trap 'rm -f -- "$planned"' EXIT
    settings_print '' >"$planned"
    value_of batch
    parts=$(
        stage_plan vlrm-rollout --sample "$features" --batch 0
        stage_plan vlrm-reward --batch "$value"
        stage_plan vlrm-update --batch "$value"
    ) || exit
    available=$(awk '/^MemAvailable:/ {printf "%.0f", $2 * 1024}' /proc/meminfo)
    jq -n -r --slurpfile stages <(printf '%s' "$parts") --slurpfile options <(options_origins "$planned") --argjson tokens "$tokens" \
        --argjson available "${available:-null}" --arg json "$plan_json" --arg verbose "${verbose[*]}" -f "$stages_folder/plan.jq"
}
