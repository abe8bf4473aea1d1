# What a record gets does not depend on what else goes through the models with it: to the byte, on every kind of processor that
# this one can be, in f32 and bf16, on one thread and two. The bundled models, on the images of the reference's captions.

setup() {
    load oracle
    oracle_setup
    tiny=$ROOT/share/tiny
    [ -d "$tiny" ] || skip 'no share/tiny: there are no bundled models to run'
}

# on_every_processor COMMAND...: with VLRM_CPU and VLRM_COMPUTE set to each kind of products that this processor can do.
on_every_processor() {
    local kind ran=0
    for kind in plain,f32 plain,bf16 avx2,f32 avx2,bf16 avx512,f32 avx512,bf16 avx512bf16,bf16 amx,bf16; do
        export VLRM_CPU=${kind%,*} VLRM_COMPUTE=${kind#*,}
        status=0
        vlrm-rollout --model "$tiny/captioner" /dev/null > /dev/null 2> "$TMP/err" || status=$?
        [ "$status" -ne 2 ] || { echo "# not $kind: $(cat "$TMP/err")" >&3; continue; }
        echo "$kind"
        "$@" || return
        ran=$((ran + 1))
    done
    [ "$ran" -ge 2 ]
}

frames() {
    jq -c '{id, frame}' captions.jsonl | head -n "${1:-30}" | vlrm-cat --from=json
}

# records STREAM...: their records, as lines in order of id.
records() {
    local stream
    for stream; do vlrm-cat "$stream" | grep '^{"id"'; done | sort
}

# same COUNT STREAM -- STREAM...: as many records, the same bytes.
same() {
    records "$2" > "$TMP/left"
    records "${@:4}" > "$TMP/right"
    [ "$(wc -l < "$TMP/left")" -eq "$1" ]
    cmp "$TMP/left" "$TMP/right"
}

captioned_alike() {
    local sample=(vlrm-rollout --model "$tiny/captioner" --sample --top-k 0 --num-return 2 --max-new-tokens 12)
    "${sample[@]}" --decode-batch 1 "$TMP/frames.vlrm" > "$TMP/one.vlrm"
    "${sample[@]}" --decode-batch 64 --threads 2 "$TMP/frames.vlrm" > "$TMP/all.vlrm"
    "${sample[@]}" --decode-batch 3 "$TMP/first.vlrm" > "$TMP/shard-1.vlrm"
    "${sample[@]}" --decode-batch 64 "$TMP/rest.vlrm" > "$TMP/shard-2.vlrm"
    same 30 "$TMP/one.vlrm" -- "$TMP/all.vlrm" && same 30 "$TMP/one.vlrm" -- "$TMP/shard-1.vlrm" "$TMP/shard-2.vlrm"
}

@test "rollout: captions and log-probabilities do not depend on --decode-batch, threads or shards" {
    frames 15 > "$TMP/frames.vlrm"
    jq -c '{id, frame}' captions.jsonl | head -n 4 | vlrm-cat --from=json > "$TMP/first.vlrm"
    jq -c '{id, frame}' captions.jsonl | sed -n '5,15p' | vlrm-cat --from=json > "$TMP/rest.vlrm"
    on_every_processor captioned_alike
}

@test "rollout: beams, more rows at a time than are computed in one go" {
    frames > "$TMP/frames.vlrm"
    export VLRM_COMPUTE=f32 # 150 rows of dot products in each step
    vlrm-rollout --model "$tiny/captioner" --max-new-tokens 12 --decode-batch 1 "$TMP/frames.vlrm" > "$TMP/one.vlrm"
    vlrm-rollout --model "$tiny/captioner" --max-new-tokens 12 --decode-batch 64 "$TMP/frames.vlrm" > "$TMP/all.vlrm"
    same 30 "$TMP/one.vlrm" -- "$TMP/all.vlrm"
}

# captions COUNT: several of each image, which begin alike, as captions of one image do.
captions_of() {
    frames "$1" | vlrm-rollout --model "$tiny/captioner" --sample --num-return 4 --max-new-tokens 12 > "$TMP/captions.vlrm"
    { vlrm-cat "$TMP/captions.vlrm" | grep '^{"id"' | tac | vlrm-cat --from=json; } > "$TMP/backwards.vlrm"
}

scored_alike() {
    local score=(vlrm-reward --model "$tiny/captioner" --itm "$tiny/itm" --clip "$tiny/clip" --batch 40)
    "${score[@]}" --score-batch 1 "$TMP/captions.vlrm" > "$TMP/one.vlrm"
    "${score[@]}" --score-batch 64 --threads 2 "$TMP/captions.vlrm" > "$TMP/all.vlrm"
    same 40 "$TMP/one.vlrm" -- "$TMP/all.vlrm"
    # Phi is a sum over the batch, in its order; without it the order is nothing either.
    vlrm-reward --model "$tiny/captioner" --itm "$tiny/itm" --score-batch 8 "$TMP/captions.vlrm" > "$TMP/forwards.vlrm"
    vlrm-reward --model "$tiny/captioner" --itm "$tiny/itm" --score-batch 9 "$TMP/backwards.vlrm" > "$TMP/backwards-scored.vlrm"
    same 40 "$TMP/forwards.vlrm" -- "$TMP/backwards-scored.vlrm"
}

@test "reward: no part of a reward depends on --score-batch, threads or neighbours" {
    captions_of 10
    on_every_processor scored_alike
}

measured_alike() {
    vlrm-eval --clip "$tiny/judge" --itm "$tiny/itm" --batch 1 "$TMP/captions.vlrm" > "$TMP/one.json"
    vlrm-eval --clip "$tiny/judge" --itm "$tiny/itm" --batch 64 --threads 2 "$TMP/captions.vlrm" > "$TMP/all.json"
    cmp <(jq -S .runs "$TMP/one.json") <(jq -S .runs "$TMP/all.json")
}

@test "eval: no figure depends on --batch or threads" {
    captions_of 10
    on_every_processor measured_alike
}
