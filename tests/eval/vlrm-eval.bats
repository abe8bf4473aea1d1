# vlrm-eval: against the reference's recall, references, several captions of an image, baselines and checks, refusals, the cache.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    clip=(--clip "$ORACLE/clip")
}

mean() {
    jq -e ".runs[${3:-0}].metrics[\"$2\"].mean" "$1"
}

# against FOLDER: ranks, recall and ITM logits are those of the reference in FOLDER.
against() {
    cd "$1/f64" || return
    captions > "$TMP/in.vlrm"
    "${2:-$BIN}/vlrm-eval" --clip "$1/clip" --itm "$1/itm" --per-image "$TMP/each.jsonl" "$TMP/in.vlrm" > "$TMP/report.json"
    cmp <(jq .rank "$TMP/each.jsonl") <(jq '.ranks[]' eval.json)
    paste -d' ' <(jq '.runs[0].metrics | .mrr.mean, .["r@1"].mean, .["r@5"].mean, .["r@10"].mean' "$TMP/report.json") \
        <(jq '.mrr, .["r@1"], .["r@5"], .["r@10"]' eval.json) | near 1e-12
    paste -d' ' <(jq .itm "$TMP/each.jsonl") <(jq .reward.itm rewards.jsonl) | near "${3:-1e-4}"
    paste -d' ' <(mean "$TMP/report.json" itm) <(jq -s 'map(.reward.itm) | add / length' rewards.jsonl) | near "${3:-1e-4}"
}

@test "recall, ranks and ITM are the reference's" {
    against "$ORACLE"
}

@test "the same in the double build" {
    [ -x "$ROOT/build/double/bin/vlrm-eval" ] || skip "no double build of the programs"
    against "$ORACLE" "$ROOT/build/double/bin" 1e-9
}

@test "order, batch size and threads change no rank" {
    { tail -15 captions.jsonl; head -15 captions.jsonl; } | vlrm-cat --from=json | vlrm-eval "${clip[@]}" --batch 3 --threads 3 --per-image "$TMP/a" > "$TMP/report.json"
    cmp <(jq -sc 'sort_by(.id)[] | .rank' "$TMP/a") <(jq '.ranks[]' eval.json)
}

@test "the other direction: an image's rank among the texts" {
    captions | vlrm-eval "${clip[@]}" --per-image "$TMP/each.jsonl" > "$TMP/report.json"
    # by hand: swap the roles with the cosines of single pairs
    jq -es 'map(.i2t_rank) | (map(1 / .) | add / length) as $mrr | (min >= 1 and max <= 30) and $mrr > 0' "$TMP/each.jsonl"
    paste -d' ' <(mean "$TMP/report.json" i2t.mrr) <(jq -s 'map(1 / .i2t_rank) | add / length' "$TMP/each.jsonl") | near 1e-12
}

@test "references make a row: the same captions as references have the same recall" {
    jq -c '.frame.references = [.caption.text, .caption.text]' captions.jsonl | vlrm-cat --from=json | vlrm-eval "${clip[@]}" > "$TMP/report.json"
    jq -e '.runs | length == 2 and .[1].name == "REF" and .[1].captions == 60 and .[1].images == 30 and .[0].metrics.mrr == .[1].metrics.mrr
        and .[0].metrics["r@10"] == .[1].metrics["r@10"]' "$TMP/report.json"
    jq -c 'if .id < "0010" then .frame.references = [.caption.text] else . end' captions.jsonl | vlrm-cat --from=json | vlrm-eval "${clip[@]}" > "$TMP/some.json"
    jq -e '.runs[1].images == 10' "$TMP/some.json"
    paste -d' ' <(mean "$TMP/some.json" mrr 1) <(jq '.ranks[:10] | map(1 / .) | add / 10' eval.json) | near 1e-12
    jq -c '.frame.references = ["a", 1]' captions.jsonl | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 1 vlrm-eval "${clip[@]}" "$TMP/in.vlrm"
    says "record 0000: frame.references holds something that is not text"
    vlrm-eval "${clip[@]}" --no-references "$TMP/in.vlrm" | jq -e '.runs | length == 1'
}

@test "several captions of an image are averaged inside it" {
    jq -c 'select(.id < "0003") | ., (.id += "~2" | .caption.text = "a red square")' captions.jsonl | vlrm-cat --from=json |
        vlrm-eval "${clip[@]}" --per-image "$TMP/each.jsonl" > "$TMP/report.json"
    jq -e '.runs[0] | .images == 3 and .captions == 6' "$TMP/report.json"
    paste -d' ' <(mean "$TMP/report.json" cosine) <(jq -s 'map(.cosine) | add / length' "$TMP/each.jsonl") | near 1e-12
    jq -es 'all(.rank <= 3)' "$TMP/each.jsonl"
}

@test "a caption is cut to 300 characters" {
    long=$(printf 'é%.0s' {1..300})
    head -3 captions.jsonl | jq -c --arg t "$long" '.caption = {text: ($t + "a red circle")}' | vlrm-cat --from=json | vlrm-eval "${clip[@]}" --per-image "$TMP/a" > "$TMP/ra"
    head -3 captions.jsonl | jq -c --arg t "$long" '.caption = {text: $t}' | vlrm-cat --from=json | vlrm-eval "${clip[@]}" --per-image "$TMP/b" > "$TMP/rb"
    cmp <(jq .cosine "$TMP/a") <(jq .cosine "$TMP/b")
}

@test "what the texts are like" {
    printf '%s\n' 'a red circle and a blue circle' 'there is a Red star' '' |
        jq -cR '{id: "\(input_line_number)", frame: {path: "images/000\(input_line_number).png"}, caption: {text: ., eos: (. != "")}}' |
        vlrm-cat --from=json | vlrm-eval "${clip[@]}" > "$TMP/report.json"
    jq -e '.runs[0].text | .words == 12 and .vocabulary == 8 and .empty == 1 and .distinct["1"] == 8 / 12' "$TMP/report.json"
    jq -e '.runs[0].metrics | (.words.mean == 4) and (.colours.mean == 1) and ((.bad.mean * 3 | round) == 1) and ((.repeats.mean * 3 | round) == 1)
        and ((.noeos.mean * 3 | round) == 1) and .tokens == null and .itm == null' "$TMP/report.json"
}

@test "intervals hold the mean and are the same every time; another seed gives others" {
    captions > "$TMP/in.vlrm"
    vlrm-eval "${clip[@]}" "$TMP/in.vlrm" > "$TMP/a"
    vlrm-eval "${clip[@]}" "$TMP/in.vlrm" > "$TMP/b"
    cmp "$TMP/a" "$TMP/b"
    jq -e '.runs[0].metrics | all(.[]; .low <= .mean and .mean <= .high) and .mrr.low < .mrr.high' "$TMP/a"
    vlrm-eval "${clip[@]}" --seed 2 "$TMP/in.vlrm" > "$TMP/b"
    jq -e -n --slurpfile a "$TMP/a" --slurpfile b "$TMP/b" '$a[0].runs[0].metrics.rank | .low != $b[0].runs[0].metrics.rank.low'
}

@test "a baseline by file or by stream; what fell ends with 7 and one line" {
    captions > "$TMP/base.vlrm"
    # each caption goes to its neighbour's image
    jq -c -s '.[1:] + .[:1] | to_entries | map(.value.caption) as $c | $c[]' captions.jsonl > "$TMP/shifted"
    paste -d'\t' captions.jsonl "$TMP/shifted" | jq -cR 'split("\t") | map(fromjson) | .[0] + {caption: .[1]}' | vlrm-cat --from=json > "$TMP/worse.vlrm"
    vlrm-eval "${clip[@]}" --per-image "$TMP/base.jsonl" -o "$TMP/report.json" "$TMP/base.vlrm"
    exits 0 vlrm-eval "${clip[@]}" --baseline "$TMP/base.jsonl" --max-drop 0 --fail-below r@10=0.4 -o "$TMP/same.json" "$TMP/base.vlrm"
    [ -z "$output" ]
    jq -e '.failed_checks == null and (.baseline.difference | all(.[]; .mean == 0 and .low == 0 and .high == 0))' "$TMP/same.json"
    vlrm-eval "${clip[@]}" --baseline "$TMP/base.vlrm" -o "$TMP/stream.json" "$TMP/worse.vlrm"
    vlrm-eval "${clip[@]}" --baseline "$TMP/base.jsonl" -o "$TMP/file.json" "$TMP/worse.vlrm"
    cmp <(jq .baseline.difference "$TMP/stream.json") <(jq .baseline.difference "$TMP/file.json")
    exits 7 vlrm-eval "${clip[@]}" --baseline "$TMP/base.jsonl" --fail-above cosine=-1 --max-drop cosine=-1 -o "$TMP/report.json" "$TMP/worse.vlrm"
    [ "${#lines[@]}" = 1 ]
    says "cosine is "
    says "; cosine fell by"
    exits 7 vlrm-eval "${clip[@]}" --fail-below r@1=0.9 -o "$TMP/report.json" "$TMP/base.vlrm"
    says "r@1 is 0.0667, expected at least 0.9"
    jq -e '.failed_checks | contains("r@1")' "$TMP/report.json"
}

@test "a baseline of several captions an image, in another order, with U+0000 in a text" {
    jq -c '., .id += "~2", (.id += "~3" | .caption.text = "a\u0000b") | .caption |= {text}' captions.jsonl > "$TMP/lines"
    vlrm-cat --from=json "$TMP/lines" | vlrm-eval "${clip[@]}" --per-image "$TMP/base.jsonl" -o "$TMP/report.json"
    jq -e '.runs[0] | .images * 3 == .captions' "$TMP/report.json"
    for order in cat tac "sort -t: -k3"; do
        vlrm-cat --from=json <($order "$TMP/lines") > "$TMP/other.vlrm"
        exits 0 vlrm-eval "${clip[@]}" --baseline "$TMP/base.jsonl" --max-drop 0 -o "$TMP/report.json" "$TMP/other.vlrm"
        jq -e '.baseline.difference | all(.[]; .mean < 1e-6 and .mean > -1e-6)' "$TMP/report.json"
    done
}

@test "a baseline of other images, or cut, is no baseline" {
    captions > "$TMP/base.vlrm"
    vlrm-eval "${clip[@]}" --per-image "$TMP/base.jsonl" -o "$TMP/report.json" "$TMP/base.vlrm"
    head -29 "$TMP/base.jsonl" > "$TMP/short.jsonl"
    exits 6 vlrm-eval "${clip[@]}" --baseline "$TMP/short.jsonl" "$TMP/base.vlrm"
    says "image 0029 is not in the baseline"
    head -c -5 "$TMP/base.jsonl" > "$TMP/cut.jsonl"
    exits 5 vlrm-eval "${clip[@]}" --baseline "$TMP/cut.jsonl" "$TMP/base.vlrm"
    says "line 30 is cut short"
    echo '{"id": "x"}' > "$TMP/other.jsonl"
    exits 5 vlrm-eval "${clip[@]}" --baseline "$TMP/other.jsonl" "$TMP/base.vlrm"
    says "line 1: expected id, image, rank"
}

@test "a baseline of before cosine had its name is read as it was meant, with a note" {
    captions > "$TMP/in.vlrm"
    vlrm-eval "${clip[@]}" --per-image "$TMP/new.jsonl" -o "$TMP/report.json" "$TMP/in.vlrm"
    jq -c '.clipscore = .cosine | del(.cosine)' "$TMP/new.jsonl" > "$TMP/old.jsonl"
    exits 0 vlrm-eval "${clip[@]}" --baseline "$TMP/old.jsonl" --max-drop cosine=0 -o "$TMP/report.json" "$TMP/in.vlrm"
    says "its clipscore is read as cosine"
    jq -e '.baseline.difference.cosine.mean == 0' "$TMP/report.json"
}

@test "runs side by side, and the table" {
    captions > "$TMP/a.vlrm"
    cp "$TMP/a.vlrm" "$TMP/b.vlrm"
    vlrm-eval "${clip[@]}" --compare "$TMP/a.vlrm" "$TMP/b.vlrm" "$TMP/a.vlrm" > "$TMP/report.json"
    jq -e '.runs | length == 3 and .[0].metrics == .[2].metrics' "$TMP/report.json"
    exits 0 vlrm-eval "${clip[@]}" --table --compare "$TMP/a.vlrm" "$TMP/b.vlrm"
    says "a.vlrm"
    says "0.172 ("
    exits 2 vlrm-eval "${clip[@]}" --compare "$TMP/a.vlrm"
    exits 2 vlrm-eval "${clip[@]}" --compare --per-image "$TMP/x" "$TMP/a.vlrm" "$TMP/b.vlrm"
}

@test "input that is not whole is refused" {
    captions > "$TMP/in.vlrm"
    head -c -20 "$TMP/in.vlrm" > "$TMP/cut.vlrm"
    exits 5 vlrm-eval "${clip[@]}" -o "$TMP/report.json" --per-image "$TMP/each" "$TMP/cut.vlrm"
    [ ! -e "$TMP/report.json" ]
    [ ! -e "$TMP/each" ]
    { vlrm-cat "$TMP/in.vlrm" | head -n -1; echo '{"end": {"records": 30, "failed": 0, "filtered": 0, "status": 1}}'; } > "$TMP/failed.json"
    vlrm-cat --from=json "$TMP/failed.json" > "$TMP/failed.vlrm" || status=$?
    exits 1 vlrm-eval "${clip[@]}" "$TMP/failed.vlrm"
    says "the input is not whole (status 1)"
    exits 5 vlrm-eval "${clip[@]}" "$TMP/in.vlrm" "$TMP/in.vlrm"
    says "record 0000 comes twice"
    vlrm-cat "$TMP/in.vlrm" | jq -c 'select(.id | not)' | vlrm-cat --from=json > "$TMP/none.vlrm"
    exits 4 vlrm-eval "${clip[@]}" "$TMP/none.vlrm"
    exits 5 vlrm-eval "${clip[@]}" /dev/null
}

@test "a record that cannot be scored is refused, or counted when asked" {
    { cat captions.jsonl; echo '{"id": "gone", "frame": {"path": "images/none.png"}, "caption": {"text": "a"}}'
      echo '{"id": "dumb", "frame": {"path": "images/0000.png"}}'; } | vlrm-cat --from=json > "$TMP/in.vlrm"
    exits 1 vlrm-eval "${clip[@]}" "$TMP/in.vlrm"
    says "record gone: open images/none.png"
    says "record dumb: no caption"
    says "2 of them here: refused"
    exits 3 vlrm-eval "${clip[@]}" --allow-failed -o "$TMP/report.json" "$TMP/in.vlrm"
    jq -e '.runs[0] | .captions == 30 and .failed == 2' "$TMP/report.json"
    paste -d' ' <(mean "$TMP/report.json" mrr) <(jq .mrr eval.json) | near 1e-12
}

@test "images are encoded once: within a stream, from one run to the next, and a damaged cache is mended" {
    captions > "$TMP/in.vlrm"
    exits 0 vlrm-eval -v "${clip[@]}" --cache "$TMP/cache" -o "$TMP/a.json" --per-image "$TMP/a" "$TMP/in.vlrm"
    says "30 images encoded, 0 from the cache"
    exits 0 vlrm-eval -v "${clip[@]}" --cache "$TMP/cache" -o "$TMP/b.json" --per-image "$TMP/b" "$TMP/in.vlrm"
    says "0 images encoded, 30 from the cache"
    cmp "$TMP/a" "$TMP/b"
    file=$(echo "$TMP"/cache/*-each-[0-9]*)
    printf 'x' | dd of="$file" bs=1 seek=40 conv=notrunc status=none
    head -c -7 "$file" > "$TMP/cut" && cp "$TMP/cut" "$file"
    exits 0 vlrm-eval -v "${clip[@]}" --cache "$TMP/cache" -o "$TMP/b.json" --per-image "$TMP/b" "$TMP/in.vlrm"
    says "record 0 is damaged"
    says "2 images encoded, 28 from the cache"
    cmp "$TMP/a" "$TMP/b"
    exits 0 vlrm-eval -v "${clip[@]}" --cache "$TMP/cache" -o "$TMP/b.json" --per-image "$TMP/b" "$TMP/in.vlrm"
    says "0 images encoded, 30 from the cache"
    cmp "$TMP/a" "$TMP/b"
}

@test "parts of several processes join to the bytes that one gives" {
    jq -c '.frame.references = ["a red square", .caption.text]' captions.jsonl | vlrm-cat --from=json > "$TMP/in.vlrm"
    one=(vlrm-eval "${clip[@]}" --itm "$ORACLE/itm" --cache "$TMP/cache" --references "$TMP/in.vlrm")
    "${one[@]}" --per-image "$TMP/a" > "$TMP/a.json"
    rm -r "$TMP/cache"
    for i in 1 2 3; do
        "${one[@]}" --sharded "$i/3" > "$TMP/said-$i" &
    done
    wait
    [ ! -s "$TMP/said-1" ]
    exits 0 "${one[@]}" -v --per-image "$TMP/b" -o "$TMP/b.json"
    says "0 images encoded, 30 from the cache"
    says "0 texts and 0 pairs computed"
    cmp "$TMP/a" "$TMP/b"
    cmp <(jq -c 'del(.params)' "$TMP/a.json") <(jq -c 'del(.params)' "$TMP/b.json")
    "${one[@]}" --per-image "$TMP/a" > "$TMP/c.json"
    cmp "$TMP/a.json" "$TMP/c.json"
    exits 0 "${one[@]}" --sharded 40/40
    exits 2 "${one[@]}" --sharded 4/3
    exits 2 vlrm-eval "${clip[@]}" --sharded 1/2 "$TMP/in.vlrm"
}

@test "a full disk is said" {
    captions > "$TMP/in.vlrm"
    [ -c /dev/full ] || skip "no /dev/full"
    run bash -c 'vlrm-eval --clip "$1" "$2" > /dev/full' - "$ORACLE/clip" "$TMP/in.vlrm"
    [ "$status" = 1 ]
}

@test "wrong options are said before any work" {
    exits 2 vlrm-eval
    says "--clip is required, or --references"
    exits 2 vlrm-eval "${clip[@]}" --max-drop 0.1 /dev/null
    says "--max-drop needs a --baseline"
    exits 2 vlrm-eval "${clip[@]}" --fail-below 0.9 /dev/null
    says "expected NAME=VALUE"
    exits 2 vlrm-eval "${clip[@]}" --recall-k 0 /dev/null
    captions > "$TMP/in.vlrm"
    exits 2 vlrm-eval "${clip[@]}" --fail-below nonsense=1 "$TMP/in.vlrm"
    says "no metric is named nonsense"
}

@test "what a cache holds, and in what order it came to hold it, changes nothing" {
    vlrm-weights random --shape clip-mini --tokenizer "$ORACLE/clip" --out "$TMP/clip"
    clip=(--clip "$TMP/clip")
    captions > "$TMP/in.vlrm"
    vlrm-eval "${clip[@]}" --per-image "$TMP/plain" "$TMP/in.vlrm" > "$TMP/plain.json"
    # As an interrupted fill leaves it: some images, from batches of other sizes and in another order.
    { sed -n 5p captions.jsonl; sed -n 17,19p captions.jsonl; sed -n 2p captions.jsonl; } | vlrm-cat --from=json |
        vlrm-eval "${clip[@]}" --cache "$TMP/cache" --batch 1 > "$TMP/part.json"
    exits 0 vlrm-eval -v "${clip[@]}" --cache "$TMP/cache" --per-image "$TMP/filled" -o "$TMP/filled.json" "$TMP/in.vlrm"
    says "25 images encoded, 5 from the cache"
    vlrm-eval "${clip[@]}" --cache "$TMP/cache" --per-image "$TMP/full" "$TMP/in.vlrm" > "$TMP/full.json"
    for name in filled full; do
        cmp "$TMP/plain" "$TMP/$name"
        cmp <(jq -c .runs "$TMP/plain.json") <(jq -c .runs "$TMP/$name.json")
    done
}
