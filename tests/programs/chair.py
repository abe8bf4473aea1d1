#!/usr/bin/env python3
"""CHAIR of lines of JSON, written from its definition and not from src/eval/chair.c: chair.py INSTANCES SYNONYMS CAPTIONS.jsonl
prints a line for each caption, [names what is not there, such mentions, mentions, objects found, objects there], then chair_s, chair_i and
recall of all."""
import json, re, sys

instances, synonyms = json.load(open(sys.argv[1])), open(sys.argv[2]).read()
IRREGULAR = dict(men="man", women="woman", children="child", people="person", mice="mouse", geese="goose", feet="foot", teeth="tooth",
                 knives="knife", wives="wife", buses="bus", skis="ski")


def singular(word):
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) <= 3 or not re.search(r"(?<![su])s$", word):
        return word
    for pattern, to in ((r"(?<=..)ies$", "y"), (r"(?<=.)ves$", "f"), (r"(?<=.)(sses|shes|ches|xes|zes|oes)$", None)):
        if re.search(pattern, word):
            return re.sub(pattern, to, word) if to else word[:-2]
    return word[:-1]


def words(text):
    return tuple(singular(w) for w in re.findall("[a-z]+", text.lower()))


phrases = {}
for line in synonyms.splitlines():
    if line.strip():
        category, *_ = parts = [p.strip() for p in line.split(",")]
        for p in parts:
            phrases.setdefault(words(p), category)
special = {("bow", "tie"): "tie", ("toilet", "seat"): "toilet", ("train", "track"): None, ("home", "plate"): None,
           ("passenger", "train"): "train", ("passenger", "jet"): "airplane", ("baby", "animal"): None, ("adult", "animal"): None}
for animal in "bird cat dog horse sheep cow elephant bear zebra giraffe".split():
    special["baby", animal] = special["adult", animal] = animal
names = {c["id"]: c["name"] for c in instances["categories"]}
phrases.update({k: v for k, v in special.items() if v is None or v in names.values()})


def mentions(text):
    text, out = words(text), []
    while text:
        size = next((n for n in (3, 2, 1) if n <= len(text) and text[:n] in phrases), 0)
        if size and phrases[text[:size]]:
            out.append(phrases[text[:size]])
        text = text[size or 1:]
    return out


total = [0] * 5
there = {}
for a in instances["annotations"]:
    there.setdefault(a["image_id"], set()).add(names[a["category_id"]])
rows = [json.loads(line) for line in open(sys.argv[3])]
for r in rows:
    objects = set(there.get(int(r["id"]), ()))
    for t in r.get("frame", {}).get("references", []) if len(sys.argv) > 4 else []:
        objects |= set(mentions(t))
    said = mentions(r["caption"]["text"])
    row = [int(any(m not in objects for m in said)), sum(m not in objects for m in said), len(said), len(objects & set(said)), len(objects)]
    total = [a + b for a, b in zip(total, row)]
    print(*row)
print(total[0] / len(rows), total[1] / total[2], total[3] / total[4])
