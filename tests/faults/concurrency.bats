# Two of each writer on the same place: one is refused, or both are right. And readers while writers die: what stands under a final
# name is whole. Two vlrm-update on a run are in tests/update/vlrm-update-damage.bats,
# two vlrm-extract in vlrm-extract-concurrent.bats.

setup() {
    load ../programs/common
    ORACLE=$ROOT/tests/golden/oracle/tiny
    TMP=$BATS_TEST_TMPDIR
    export VLRM_THREADS=1 VLRM_GRACE_SECONDS=1
    cd "$ORACLE/f64" || return
    vlrm=$ROOT/bin/vlrm
}

rewarded() {
    jq -c -n --slurpfile r rewards.jsonl '($r | map({(.id): .reward}) | add) as $by | inputs | . + {reward: {returns: $by[.id].returns}}' \
        captions.jsonl | vlrm-cat --from=json
}

# at_once N COMMAND...: runs N of it side by side, {} being the number; fails unless every one ends with 0.
at_once() {
    local n=$1 i pids=() bad=0
    shift
    for ((i = 0; i < n; i++)); do
        "${@//\{\}/$i}" > "$TMP/out.$i" 2> "$TMP/err.$i" &
        pids+=($!)
    done
    for i in "${!pids[@]}"; do
        wait "${pids[$i]}" || { echo "number $i: status $?"; cat "$TMP/err.$i"; bad=1; }
    done
    return "$bad"
}

no_left_overs() {
    [ -z "$(find "$1" -name '*.writing*')" ] || { find "$1" -name '*.writing*'; return 1; }
}

@test "two recipes on a run: the second is refused by name" {
    mkdir -p "$TMP/run"
    exec 8> "$TMP/run/lock"
    flock 8
    exits 1 "$vlrm" train --model "$ORACLE/blip2" --itm "$ORACLE/itm" --run "$TMP/run" --batch 10 "$ORACLE/f64/images"
    says "vlrm train: $TMP/run is in use by another run"
    [ ! -e "$TMP/run/policy" ]
    exec 8>&-
}

@test "four vlrm-eval fill one cache: the same reports, and a cache that is whole" {
    head -n 12 captions.jsonl | vlrm-cat --from=json > "$TMP/in.vlrm"
    vlrm-eval --clip "$ORACLE/clip" --bootstrap 0 "$TMP/in.vlrm" > "$TMP/want"
    at_once 4 vlrm-eval --clip "$ORACLE/clip" --bootstrap 0 --cache "$TMP/cache" --output "$TMP/report" --per-image "$TMP/each.{}" "$TMP/in.vlrm"
    diff <(jq -S .runs "$TMP/want") <(jq -S .runs "$TMP/report")
    for i in 1 2 3; do cmp "$TMP/each.0" "$TMP/each.$i"; done
    exits 0 vlrm-eval --clip "$ORACLE/clip" --bootstrap 0 --cache "$TMP/cache" --output "$TMP/again" "$TMP/in.vlrm"
    [ -z "$output" ] # no record of it is damaged
    diff <(jq -S .runs "$TMP/want") <(jq -S .runs "$TMP/again")
    no_left_overs "$TMP"
}

@test "two conversions onto one file, ten times: the file is one of the two" {
    vlrm-weights convert "$ORACLE/itm" --dtype f16 --out "$TMP/want.0"
    vlrm-weights convert "$ORACLE/itm" --dtype bf16 --out "$TMP/want.1"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        vlrm-weights convert "$ORACLE/itm" --dtype f16 --out "$TMP/made" &
        other=$!
        vlrm-weights convert "$ORACLE/itm" --dtype bf16 --out "$TMP/made"
        wait "$other"
        cmp -s "$TMP/made" "$TMP/want.0" || cmp "$TMP/made" "$TMP/want.1"
    done
    no_left_overs "$TMP"
}

@test "four vlrm-cat save the same images to one folder, and four renderers the same clips" {
    vlrm-extract images/000[0-4].png > "$TMP/frames.vlrm"
    at_once 4 vlrm-cat --save-images "$TMP/saved" "$TMP/frames.vlrm"
    at_once 1 vlrm-cat --save-images "$TMP/alone" "$TMP/frames.vlrm"
    diff -r "$TMP/alone" "$TMP/saved"
    at_once 4 vlrm-world-render --clips 2 --size 32 --threads 1 --out "$TMP/clips"
    at_once 1 vlrm-world-render --clips 2 --size 32 --threads 1 --out "$TMP/clips-alone"
    diff -r "$TMP/clips-alone" "$TMP/clips"
}

# Runs vlrm-update again and again, killing each after a moment, until the run is done or 30 have died.
writers_die() {
    local i
    for ((i = 0; i < 30; i++)); do
        if timeout -s KILL "0.$((RANDOM % 300 + 150))" "${long[@]}" > "$TMP/said" 2>&1; then break; fi
    done
}

# Reads the policy that `latest` names, whose config.json has its digest. It may be pruned before it is open, but is never half there.
read_policy() {
    local status=0
    rm -rf "$TMP/delta"
    vlrm-weights export --delta-only --base "$ORACLE/blip2" --policy "$TMP/run/policy/$(readlink "$TMP/run/policy/latest")" --out "$TMP/delta" \
        2> "$TMP/said.reader" || status=$?
    case $status in
    0) reads=$((reads + 1)) ;;
    1) grep -q 'No such file' "$TMP/said.reader" ;;
    *) echo "status $status"; cat "$TMP/said.reader"; return 1 ;;
    esac
}

@test "readers while writers die: every policy that is published is whole" {
    for n in 1 2 3; do rewarded | vlrm-cat | jq -c --arg n "$n" 'select(.caption) | .id += "+" + $n'; done | vlrm-cat --from=json > "$TMP/in.vlrm"
    long=(vlrm-update --model "$ORACLE/blip2" --off-policy --batch 1 --value-head linear --run "$TMP/run" "$TMP/in.vlrm")
    "${long[@]}" --max-steps 1 > "$TMP/said"
    writers_die 2> "$TMP/killed" &
    writers=$! reads=0
    while kill -0 "$writers" 2> "$TMP/none"; do read_policy; done
    [ "$reads" -gt 0 ]
    eventually 60 flock -n "$TMP/run/update.lock" true # the last one may still be dying: timeout kills itself too
    "${long[@]}" > "$TMP/said"
    no_left_overs "$TMP/run"
}

@test "a stream whose writer has died is read as far as it goes, and said to be cut" {
    vlrm-extract --zstd=0 images > "$TMP/whole.vlrm"
    size=$(stat -c %s "$TMP/whole.vlrm")
    for part in 1 2 3 4 5 6 7; do
        head -c $((size * part / 8)) "$TMP/whole.vlrm" > "$TMP/cut.vlrm"
        exits 5 vlrm-cat --fields id "$TMP/cut.vlrm"
        says "cut.vlrm"
    done
}
