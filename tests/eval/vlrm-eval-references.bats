# vlrm-eval --references: BLEU, ROUGE-L and CIDEr against pycocoevalcap's numbers, files of references, document frequencies.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    GOLDEN=$ROOT/tests/golden/metrics
    cd "$TMP" || return
}

stream() {
    vlrm-cat --from=json "$GOLDEN/captions.jsonl"
}

# coco FILE: the golden references as COCO's captions json; ids of images are the record's number plus 1000.
coco() {
    jq -s '{info: {x: ["]}"]}, images: map({id: ((.id | tonumber) + 1000), file_name: "COCO_\(.id).jpg", height: 4}),
        annotations: [.[] | .id as $id | .frame.references[] | {id: 1, image_id: (($id | tonumber) + 1000), caption: .}]}' "$GOLDEN/captions.jsonl" > "$1"
}

# without: the golden captions, with ids of images and no references.
without() {
    jq -c '{id: "\((.id | tonumber) + 1000)", caption}' "$GOLDEN/captions.jsonl" | vlrm-cat --from=json
}

@test "BLEU, ROUGE-L and CIDEr are pycocoevalcap's, CIDEr-D is aac-metrics', to the twelfth digit" {
    stream | vlrm-eval --references --per-image each.jsonl > report.json
    paste -d' ' <(jq '.runs[0].metrics | .["bleu@1", "bleu@2", "bleu@3", "bleu@4"].mean, .rouge_l.mean, .cider.mean, .cider_d.mean' report.json) \
        <(jq '.bleu[], .rouge_l, .cider, .cider_d' "$GOLDEN/scores.json") | near 1e-12
    for name in rouge_l cider cider_d; do
        paste -d' ' <(jq ".$name" each.jsonl) <(jq ".each.${name}[]" "$GOLDEN/scores.json") | near 1e-12
    done
    jq -e '.runs[0] | .metrics.mrr == null and (.metrics | keys | all(startswith(".") | not)) and (.overlap | (.tokenizer | startswith("PTB"))
        and .frequencies.images == 40 and (.frequencies.digest | test("^[0-9a-f]{16}$")) and (.note | contains("say more")))' report.json
}

@test "intervals of BLEU hold it; a paired comparison and checks are as those of recall" {
    stream > base.vlrm
    vlrm-eval --references --per-image base.jsonl base.vlrm > report.json
    jq -e '.runs[0].metrics["bleu@4"] | .low < .mean and .mean < .high' report.json
    jq -c 'if .id < "0020" then .caption.text += " with a long addition" else . end' "$GOLDEN/captions.jsonl" | vlrm-cat --from=json > worse.vlrm
    vlrm-eval --references worse.vlrm > worse.json
    exits 7 vlrm-eval --references --baseline base.jsonl --max-drop bleu@4=0.001,cider=0.01 --fail-below rouge_l=0.99 -o both.json worse.vlrm
    [ "${#lines[@]}" = 1 ]
    says "bleu@4 fell by"
    says "rouge_l is"
    paste -d' ' <(jq '.baseline.difference | .["bleu@4"].mean, .cider.mean' both.json) \
        <(jq -n --slurpfile a worse.json --slurpfile b report.json '$a[0].runs[0].metrics as $x | $b[0].runs[0].metrics as $y
            | $x["bleu@4"].mean - $y["bleu@4"].mean, $x.cider.mean - $y.cider.mean') | near 1e-12
    jq -e '.baseline.difference["bleu@4"] | .low < .mean and .mean < .high and .high < 0' both.json
    exits 0 vlrm-eval --references --baseline base.vlrm --max-drop bleu@1=0,cider=0 -o same.json base.vlrm
    exits 2 vlrm-eval --references --fail-below .length=1 base.vlrm
}

@test "references from COCO's file and from Karpathy's are as good as the frames'" {
    stream | vlrm-eval --references > frames.json
    coco coco.json
    without | vlrm-eval --references=coco.json > coco-report.json
    cmp <(jq '.runs[0].metrics | del(.words)' frames.json) <(jq '.runs[0].metrics | del(.words)' coco-report.json)
    jq -e '.runs[0].overlap.references | .images == 40 and .name == "coco.json"' coco-report.json
    jq -c '{id: "x/COCO_\(.id).png", caption}' "$GOLDEN/captions.jsonl" | vlrm-cat --from=json | vlrm-eval --references=coco.json > names.json
    cmp <(jq '.runs[0].metrics' coco-report.json) <(jq '.runs[0].metrics' names.json)
    jq -s '{images: (map({filename: "\(.id).jpg", cocoid: ((.id | tonumber) + 1000), split: "test", sentences: [.frame.references[] | {raw: .}]})
        + [{filename: "z.jpg", cocoid: 5, split: "val", sentences: [{raw: "z"}]}])}' "$GOLDEN/captions.jsonl" > karpathy.json
    without | vlrm-eval --references=karpathy.json --split test > split.json
    cmp <(jq '.runs[0].metrics' coco-report.json) <(jq '.runs[0].metrics' split.json)
    digest=$(jq -er '.runs[0].overlap.references.split | select(.name == "test" and .images == 40) | .digest' split.json)
    exits 0 vlrm-eval --references=karpathy.json "--split=test=$digest" <(without)
    exits 6 vlrm-eval --references=karpathy.json --split=test=0123456789abcdef <(without)
    says "40 images whose ids have digest $digest, expected 0123456789abcdef"
}

@test "an image without references, another split, ids that do not match: by record and status" {
    jq -c 'if .id == "0004" then .frame = {} else . end' "$GOLDEN/captions.jsonl" | vlrm-cat --from=json > some.vlrm
    exits 1 vlrm-eval --references some.vlrm
    says "record 0004: no references"
    exits 3 vlrm-eval --references --allow-failed -o report.json some.vlrm
    jq -e '.runs[0] | .images == 39 and .failed == 1' report.json
    coco coco.json
    without > in.vlrm
    jq '.annotations |= map(select(.image_id != 1007))' coco.json > fewer.json
    exits 1 vlrm-eval --references=fewer.json in.vlrm
    says "record 1007: its image has no references in the file"
    exits 6 vlrm-eval --references=coco.json <(stream)
    says "record 0000: its image is not among the references: expected an id or file name as 1000 or COCO_0000.jpg"
    jq -s '{images: map({filename: "\(.id).jpg", cocoid: ((.id | tonumber) + 1000), split: (if .id < "0030" then "val" else "test" end), sentences: [{raw: "a"}]})}' \
        "$GOLDEN/captions.jsonl" > karpathy.json
    exits 6 vlrm-eval --references=karpathy.json --split=val in.vlrm
    says "record 1030: its image is not among the references"
    without > all.vlrm
    vlrm-cat --head 20 all.vlrm | vlrm-cat --from=json > few.vlrm
    exits 6 vlrm-eval --references=karpathy.json --split=val few.vlrm
    says "10 of the 30 images of split val have no caption, the first is 1020"
    exits 6 vlrm-eval --references=karpathy.json --split=train in.vlrm
    says "no images in it of split train"
    head -c 700 coco.json > cut.json
    exits 5 vlrm-eval --references=cut.json in.vlrm
    says "cut.json: "
    exits 1 vlrm-eval --references=none.json in.vlrm
    exits 2 vlrm-eval --split=test in.vlrm
}

@test "--df fixes the document frequencies; vlrm-eval writes them itself" {
    stream > all.vlrm
    vlrm-eval --references --write-df df.tsv all.vlrm > all.json
    [ "$(wc -l < df.tsv)" = "$(($(head -1 df.tsv | jq .grams) + 1))" ]
    vlrm-eval --references --df df.tsv all.vlrm > fixed.json
    cmp <(jq .runs[0].metrics all.json) <(jq .runs[0].metrics fixed.json)
    jq -e --slurpfile a all.json '.runs[0].overlap.frequencies | .name == "df.tsv" and .digest == $a[0].runs[0].overlap.frequencies.digest' fixed.json
    head -10 "$GOLDEN/captions.jsonl" | vlrm-cat --from=json > ten.vlrm
    vlrm-eval --references --df df.tsv --per-image ten.jsonl ten.vlrm > ten.json
    paste -d' ' <(jq .cider ten.jsonl) <(jq '.each.cider[:10][]' "$GOLDEN/scores.json") | near 1e-12
    vlrm-eval --references ten.vlrm | jq -e --slurpfile t ten.json '.runs[0].metrics.cider.mean != $t[0].runs[0].metrics.cider.mean'
    head -c -3 df.tsv > cut.tsv
    exits 5 vlrm-eval --references --df cut.tsv all.vlrm
    says "is cut short"
}

@test "with a CLIP beside it, recall is what it was" {
    jq -c '.frame.references = ["a red square", .caption.text]' "$ORACLE/f64/captions.jsonl" > in.jsonl
    cd "$ORACLE/f64" || return
    vlrm-cat --from=json "$TMP/in.jsonl" > "$TMP/in.vlrm"
    vlrm-eval --clip "$ORACLE/clip" "$TMP/in.vlrm" > "$TMP/a.json"
    vlrm-eval --clip "$ORACLE/clip" --references "$TMP/in.vlrm" > "$TMP/b.json"
    jq -e --slurpfile a "$TMP/a.json" '.runs[0].metrics as $m | ($a[0].runs[0].metrics | to_entries | all(.value == $m[.key])) and $m["bleu@1"].mean > 0.9' "$TMP/b.json"
}
