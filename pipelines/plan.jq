# plan.jq: the plans of a training's stages (formats/plan.md) and its options become one, as JSON ($json) or to be read.
def mib: (. / 1048576 * 10 | round / 10 | tostring) + " MiB";
def seconds: if . <= 0 then "0 s" else pow(10; 1 - (log10 | floor)) as $p | "\(. * $p | round / $p) s" end;
def left($n): . + " " * ([$n - length, 1] | max);

# How the update keeps to --memory, and where it cannot.
def update_cut:
  if ."activations of one" > ."activations allowed" then
    "update       one caption takes \(."activations of one" | mib) of activations, --memory allows \(."activations allowed" | mib): more of it, or --max-new-tokens N"
  elif ."captions at once" and ."captions at once" < $batch then
    "update       \(."captions at once") captions at once, for --memory \(."activations allowed" / 1048576); all \($batch) take \(."activations of all" | mib) of activations"
  else empty end;

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
| .seconds = ([.stages[] | {key: .stage, value: (if ."seconds a caption" then ."seconds a caption" * $batch else ."seconds a step" end)}
    | select(.value)] | from_entries)
| ([.stages[]."seconds an image" // empty] | add) as $image
| if $image then .seconds["reward, own encoder"] = $image * $batch else . end
| if $image and $features == "--no-features" then .seconds.reward += .seconds["reward, own encoder"] else . end
| if .seconds | has("rollout") and has("reward") and has("update") then .seconds.step = ([.seconds.rollout, .seconds.reward, .seconds.update] | add) else . end
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
    "", "private memory, with captions of \(.tokens) tokens" +
        (if .tokens < $longest then "; where they can be longer is room for \($longest)" else ", the most there can be (--tokens N: shorter ones)" end),
    (.stages[] | "  \(.stage | left(10)) \(.private | mib | left(12)) \(.memory | to_entries | sort_by(-.value) | map("\(.key) \(.value | mib)") | join(", "))"),
    "", "together     \(.private | mib) private, \(.mapped | mib) mapped, \(.disk | mib) on disk" +
        (if .available == null then "" else "; \(.available | mib) can be had now" end),
    (.stages[] | select(.stage == "update") | update_cut),
    (if .seconds.step then "a step       \(.seconds.step | seconds) of computing on this machine at rest: \(.seconds as $x | [.stages[].stage | "\(.) \($x[.] | seconds)"] | join(", "))" +
        (if .seconds["reward, own encoder"] and $features == "--features" then "; \(.seconds["reward, own encoder"] | seconds) more where ITM has another image encoder than the captioner" else "" end)
        else empty end),
    (if .fits == false then "does not fit: what needs most, and what makes it less",
       (.advice[] | "  \(.stage | left(10)) \(.part) \(.bytes | mib): \(.say)") else empty end)
  end
