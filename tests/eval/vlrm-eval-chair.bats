# vlrm-eval --chair: objects named and not there, against an independent implementation (chair.py); wrong files.
# bats file_tags=asan

setup() {
    load ../programs/oracle
    oracle_setup
    cd "$TMP" || return
    cat > synonyms.txt <<'END'
person, girl, boy, man, woman, kid, child, people, baby, adult, rider, passenger, men
dog, puppy, pup
elephant
train, locomotive
hot dog, sausage
bus, school bus, motor coach
knife, pocket knife
tie, bow
toilet
stop sign
dining table, table, desk
airplane, jet, plane
END
    python3 - <<'END'
import json, random
r = random.Random(4)
names = [line.split(",")[0].strip() for line in open("synonyms.txt")]
words = ["a", "two", "the", "red", "hot", "baby", "adult", "passenger", "bow", "seat", "track", "home", "plate", "school", "motor", "Men", "women's", "KNIVES",
         "buses", "puppies", "tables", "signs", "stop", "bus", "grass", "glasses", "leaves", "dogs,", "dog.", "tie-dye", "children", "jets", "café"]
words += [w for line in open("synonyms.txt") for w in line.replace(",", " ").split()]
with open("in.jsonl", "w") as f:
    for i in range(200):
        text = lambda: " ".join(r.choice(words) for _ in range(r.randint(0, 14)))
        print(json.dumps({"id": str(i + 1), "frame": {"references": [text(), "the sky"]}, "caption": {"text": text()}}), file=f)
images = [{"id": i + 1, "file_name": f"{i + 1:012}.jpg", "license": [1, {"annotations": []}]} for i in range(200)]
annotations = [{"id": k, "image_id": r.randint(1, 199), "category_id": 10 + r.randrange(len(names)), "segmentation": [[1.5, 2, "]"]]} for k in range(600)]
json.dump({"info": {"categories": 1}, "images": images, "annotations": annotations,
           "categories": [{"id": 10 + k, "name": n} for k, n in enumerate(names)]}, open("instances.json", "w"))
END
}

chair() {
    vlrm-cat --from=json in.jsonl | vlrm-eval --chair instances.json --synonyms synonyms.txt "$@"
}

@test "CHAIR-s, CHAIR-i and recall are those of an independent implementation" {
    chair --per-image each.jsonl > report.json
    python3 "$ROOT/tests/programs/chair.py" instances.json synonyms.txt in.jsonl > expected
    cmp <(jq -r '[.chair_s, .[".invented"], .[".mentioned"], .[".found"], .[".objects"] | floor | tostring] | join(" ")' each.jsonl) <(head -n -1 expected)
    paste -d' ' <(jq '.runs[0].metrics | .chair_s.mean, .chair_i.mean, .chair_recall.mean' report.json) <(tail -1 expected | tr ' ' '\n') | near 1e-12
    jq -e '.chair | .images == 200 and .categories == 12 and .synonyms == "synonyms.txt"' report.json
    jq -e '.runs[0].metrics.chair_i | 0.1 < .low and .low < .mean and .mean < .high' report.json
    # What references name is there, too.
    chair --references --per-image each.jsonl > report.json
    python3 "$ROOT/tests/programs/chair.py" instances.json synonyms.txt in.jsonl references > expected
    paste -d' ' <(jq '.runs[0].metrics | .chair_s.mean, .chair_i.mean, .chair_recall.mean' report.json) <(tail -1 expected | tr ' ' '\n') | near 1e-12
}

@test "compared with a baseline, and checked" {
    chair --per-image base.jsonl > base.json
    jq -c '.caption.text += " and a stop sign with a locomotive"' in.jsonl > worse.jsonl
    exits 7 vlrm-eval --chair instances.json --synonyms synonyms.txt --baseline base.jsonl --fail-above chair_i=0.1 -o report.json <(vlrm-cat --from=json worse.jsonl)
    says "chair_i is "
    for name in chair_s chair_i chair_recall; do
        paste -d' ' <(jq ".baseline.difference.$name.mean" report.json) \
            <(jq -n --slurpfile a report.json --slurpfile b base.json "\$a[0].runs[0].metrics.$name.mean - \$b[0].runs[0].metrics.$name.mean") | near 1e-12
    done
    jq -e '.baseline.difference.chair_recall | .low > 0 and .low < .mean and .mean < .high' report.json
}

@test "files that do not belong together, or are none" {
    sed -i 's/^airplane.*/aeroplane, jet/' synonyms.txt
    exits 6 chair
    says "synonyms.txt: line 12: 'aeroplane' is no category of instances.json"
    sed -i '$d' synonyms.txt
    exits 6 chair
    says "no line for 'airplane'"
    echo 'airplane, a jet of four words' >> synonyms.txt
    exits 5 chair
    says "is not one to three words"
    sed -i '$d' synonyms.txt
    echo 'airplane' >> synonyms.txt
    exits 0 chair -o report.json
    jq -c '.id = "7\(.id)000"' in.jsonl | vlrm-cat --from=json > other.vlrm
    exits 6 vlrm-eval --chair instances.json --synonyms synonyms.txt other.vlrm
    says "record 71000: its image is not among the instances: expected an id or file name as 1 or 000000000001.jpg"
    head -c 3000 instances.json > cut.json
    exits 5 vlrm-eval --chair cut.json --synonyms synonyms.txt other.vlrm
    echo '{"images": [], "annotations": []}' > empty.json
    exits 5 vlrm-eval --chair empty.json --synonyms synonyms.txt other.vlrm
    exits 2 vlrm-eval --chair instances.json other.vlrm
}
