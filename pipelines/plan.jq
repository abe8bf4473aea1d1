# plan.jq: the plans of a training's stages (formats/plan.md) and its options become one, as JSON ($json) or to be read.
def mib: (. / 1048576 * 10 | round / 10 | tostring) + " MiB";
def left($n): . + " " * ([$n - length, 1] | max);

# What needs less memory, by the largest parts, until it fits.
def advice($over):
  ([.stages[] | .stage as $stage | .memory | to_entries[] | {stage: $stage, part: .key, bytes: .value,
      say: ({"rollout keys and values": "--decode-batch N or --max-new-tokens N", "rollout activations": "--decode-batch N",
             "reward activations": "--score-batch N", "reward records": "--spool-memory MIB",
             "update activations": "--memory MIB", "update records": "--spool-memory MIB",
             "update parameters, gradients, moments": "--baseline rloo, which has no value head, or --train projection"}
            [$stage + " " + .key])} | select(.say != null and .bytes > 0)]
   | sort_by(-.bytes) | reduce .[] as $part ({left: $over, list: []};
       if .left > 0 then {left: (.left - $part.bytes), list: (.list + [$part])} else . end) | .list);

($stages | map(.models[] | {key: .path, value: .mapped}) | from_entries | add // 0) as $mapped
| {vlrm: 1, stage: "plan", version: $stages[0].version, tokens: $tokens, options: $options[0], stages: $stages,
   mapped: $mapped, private: ($stages | map(.private) | add), disk: ($stages | map(.disk // 0) | add), available: $available}
| .fits = (if $available == null then null else .private <= $available end)
| .advice = (if .fits == false then advice(.private - $available) else [] end)
| if $json != "" then tojson else
    "options, and where they come from" + (if $verbose == "" then " (-v: defaults too)" else "" end),
    (.options | to_entries | sort_by(.key)[] | select($verbose != "" or .value.from != "default")
     | "  \(.key | left(24)) \(.value.value | if type == "string" then . else tojson end | left(32)) \(.value.from)"),
    "", "models, mapped from their files",
    ([.stages[] | .stage as $stage | .models[] | . + {stage: $stage}] | group_by(.path)[]
     | "  \(.[0].path | left(40)) \(.[0].parameters) parameters, \(.[0].mapped | mib) for \(map(.stage) | unique | join(", "))"),
    "", "trained",
    (.stages[] | select(.stage == "update") | .trained | to_entries[] | "  \(.key | left(24)) \(.value) parameters"),
    "", "private memory, with captions of \(.tokens) tokens",
    (.stages[] | "  \(.stage | left(10)) \(.private | mib | left(12)) \(.memory | to_entries | sort_by(-.value) | map("\(.key) \(.value | mib)") | join(", "))"),
    "", "together     \(.private | mib) private, \(.mapped | mib) mapped, \(.disk | mib) on disk" +
        (if .available == null then "" else "; \(.available | mib) can be had now" end),
    (if .fits == false then "does not fit: what needs most, and what makes it less",
       (.advice[] | "  \(.stage | left(10)) \(.part) \(.bytes | mib): \(.say)") else empty end)
  end
