#!/usr/bin/env python3
"""Copies a small part of the resize goldens here: subset.py FOLDER-OF-ALL. Small files of every kind, and one of each processor."""
import json, pathlib, shutil, sys

full, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).resolve().parent
PROCESSORS = {("photo-d", "clip"), ("photo-b", "blip2")}
BUDGET = 130_000

def name(row):
    return pathlib.Path(row["source"]).stem

def size(row):
    return sum((full / row[k]).stat().st_size for k in ("source", "expected"))

def copy(rows, out):
    for row in rows:
        for k in ("source", "expected"):
            (here / row[k]).parent.mkdir(exist_ok=True)
            shutil.copyfile(full / row[k], here / row[k])
    (here / out).write_text("[\n" + ",\n".join(json.dumps({k: v for k, v in r.items() if k != "vertical_first"}) for r in rows) + "\n]\n")

for folder in ("sources", "expected"):
    shutil.rmtree(here / folder, ignore_errors=True)
processors = [r for r in json.loads((full / "processors.json").read_text()) if (name(r), r["processor"]) in PROCESSORS]
cases = json.loads((full / "cases.json").read_text()) + json.loads((full / "cases-order.json").read_text())
kept, spent = [], 0
for row in sorted(cases, key=size):
    if spent + size(row) <= BUDGET and not (name(row) == "photo-a"):
        kept.append(row)
        spent += size(row)
copy(kept, "cases.json")
copy(processors, "processors.json")
print(f"{len(kept)} resizings, {len(processors)} processor cases")
