# vlrm-eval: CLIPScore and RefCLIPScore by their authors' definition, and long captions: protocol, what is cut, sets in their layouts.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    clip=(--clip "$ORACLE/clip")
    GOLDEN=$ROOT/tests/golden/metrics/clip.json
}

# referenced [JQ]: the captions, each with those of two others as references; JQ changes them after that.
referenced() {
    jq -cs '. as $all | to_entries[] | .key as $i | .value | .frame.references = [$all[$i - 1].caption.text, $all[$i - 2].caption.text]' captions.jsonl |
        jq -cs "${1-.} | .[]" | vlrm-cat --from=json
}

@test "CLIPScore, RefCLIPScore and torchmetrics' CLIPScore" {
    referenced | vlrm-eval --compute f32 --clip "$ROOT/share/tiny/clip" --per-image "$TMP/each.jsonl" > "$TMP/report.json"
    for name in cosine clipscore refclipscore; do
        paste -d' ' <(jq ".$name" "$TMP/each.jsonl") <(jq ".${name}[]" "$GOLDEN") | near 1e-3 # transformers resizes pictures with other roundings
    done
    paste -d' ' <(jq '.runs[0].clipscore.torchmetrics, .runs[0].clipscore.hessel' "$TMP/report.json") \
        <(jq '.torchmetrics, (.clipscore | add / length)' "$GOLDEN") | near 1e-3
    jq -e '.runs[1].clipscore == null and .runs[1].metrics.clipscore == null' "$TMP/report.json"
    captions | vlrm-eval --compute f32 --clip "$ROOT/share/tiny/clip" | jq -e '.runs[0].metrics | .refclipscore == null and .clipscore.low <= .clipscore.high'
}

@test "CLIPScore and RefCLIPScore against a baseline, and by several processes" {
    scored=(vlrm-eval --clip "$ROOT/share/tiny/clip" --references)
    referenced > "$TMP/base.vlrm"
    referenced 'map(.caption.text) as $texts | [to_entries[] | .value + {caption: {text: $texts[.key - 3]}}]' > "$TMP/worse.vlrm"
    "${scored[@]}" --per-image "$TMP/base.jsonl" "$TMP/base.vlrm" > "$TMP/one.json"
    exits 7 "${scored[@]}" --baseline "$TMP/base.jsonl" --max-drop clipscore=0.001,refclipscore=0.001 -o "$TMP/report.json" "$TMP/worse.vlrm"
    says 'clipscore'
    says 'refclipscore'
    exits 0 "${scored[@]}" --baseline "$TMP/base.jsonl" --max-drop clipscore=0,refclipscore=0 -o "$TMP/report.json" "$TMP/base.vlrm"
    for i in 1 2 3; do "${scored[@]}" --cache "$TMP/cache" --sharded $i/3 "$TMP/base.vlrm"; done
    "${scored[@]}" --cache "$TMP/cache" "$TMP/base.vlrm" > "$TMP/joined.json"
    cmp <(jq -c 'del(.params)' "$TMP/one.json") <(jq -c 'del(.params)' "$TMP/joined.json")
}

@test "the protocol, and the share of captions that CLIP has not read whole" {
    long=$(printf 'a %.0s' {1..200})
    head -4 captions.jsonl | jq -c --arg t "$long" 'if .id == "0001" then .caption = {text: ($t + "red circle")} elif .id == "0002" then .caption = {text: ("é" * 290 + "x")} else . end' |
        vlrm-cat --from=json > "$TMP/in.vlrm"
    for protocol in ic3 full; do
        vlrm-eval "${clip[@]}" --protocol "$protocol" --per-image "$TMP/$protocol" "$TMP/in.vlrm" > "$TMP/$protocol.json"
        jq -e --arg p "$protocol" '.params.protocol == $p' "$TMP/$protocol.json"
    done
    [ "$(jq -sc "map(.cut | floor)" "$TMP/ic3")" = "[0,1,1,0]" ]
    jq -e '.runs[0].metrics.cut.mean == 0.5' "$TMP/full.json"
    # Behind 300 characters another protocol reads something else, where CLIP's positions reach so far.
    printf '%s\n' 'a red' 'a blue' | jq -cR '{id: ., frame: {path: "images/0000.png"}, caption: {text: (" " * 320 + .)}}' | vlrm-cat --from=json > "$TMP/blank.vlrm"
    vlrm-eval "${clip[@]}" --per-image "$TMP/a" "$TMP/blank.vlrm" > "$TMP/report.json"
    [ "$(jq -s 'map(.cosine) | unique | length' "$TMP/a")" = 1 ]
    vlrm-eval "${clip[@]}" --protocol full --per-image "$TMP/b" "$TMP/blank.vlrm" > "$TMP/report.json"
    [ "$(jq -s 'map(.cosine) | unique | length' "$TMP/b")" = 2 ]
}

@test "sets with one long text an image, in the layouts of Urban1k, DOCCI and DCI" {
    cd "$TMP" || return
    mkdir -p Urban1k/image Urban1k/caption docci/images dci/photos dci/annotations
    for i in 0000 0001 0002; do
        for to in "Urban1k/image/$i.jpg" "docci/images/$i.jpg" "dci/photos/$i.jpg"; do cp "$ORACLE/f64/images/$i.png" "$to"; done
        echo "a long text $i" > "Urban1k/caption/$i.txt"
        printf '{"example_id": "%s", "split": "test", "image_file": "%s.jpg", "description": "a long text %s"}\n' "$i" "$i" "$i" >> docci/docci_descriptions.jsonlines
        printf '{"image": "%s.jpg", "short_caption": "a long", "extra_caption": "text %s", "mask_data": {}}' "$i" "$i" > "dci/annotations/$i.json"
    done
    sed -n '/^<!-- run by .*vlrm-eval-clipscore/,/^```$/p' "$ROOT/doc/tutorial.md" | sed '/^<!--/d; /^```/d' > layouts.sh
    [ "$(grep -c vlrm-cat layouts.sh)" = 3 ]
    bash -e layouts.sh
    for set in urban1k docci dci; do
        vlrm-eval "${clip[@]}" --protocol full "$set.vlrm" | jq -c '.runs[0] | [.images, .captions, .metrics]' > "$set.json"
        jq -e '.[0] == 3 and .[1] == 3 and .[2]["i2t.r@1"] and .[2].cut' "$set.json"
    done
    cmp urban1k.json docci.json
    # DCI's texts have a line break between their parts, which CLIP takes for a space.
    cmp urban1k.json <(jq -c . dci.json)
}
