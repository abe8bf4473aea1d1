#!/usr/bin/env python3
"""A language model's folder for test_language.c, from what ../shared/oracle/families.py wrote.

    make_language.py FAMILY_FOLDER OUT [--texts N]

FAMILY_FOLDER: the model ("llama"), with FAMILY_FOLDER-reference beside it. OUT gets model/ (config.json, the weights) and parity.safetensors:
tokens of the first N texts (eos included where the caption ended), tokens.counts, and logp of each in float64; texts.jsonl the texts.
"""
import argparse, json, pathlib, shutil
import torch
from safetensors.torch import load_file, save_file

ap = argparse.ArgumentParser()
ap.add_argument("folder", type=pathlib.Path)
ap.add_argument("out", type=pathlib.Path)
ap.add_argument("--texts", type=int, default=12)
a = ap.parse_args()
reference = a.folder.parent / (a.folder.name + "-reference")
config = json.loads((a.folder / "config.json").read_text())
rows, tokens, counts = [json.loads(line) for line in open(reference / "texts.jsonl")], [], []
for row in rows[: a.texts]:
    ids = row["ids"] + [config["eos_token_id"]] * row["eos"]
    tokens += ids
    counts.append(len(ids))
logp = load_file(reference / "forward.safetensors")["logp"].double()[: len(tokens)].clone()

(a.out / "model").mkdir(parents=True, exist_ok=True)
for file in a.folder.iterdir():
    if file.name == "config.json" or ".safetensors" in file.name:
        shutil.copy(file, a.out / "model")
with open(a.out / "texts.jsonl", "w") as f:  # what vlrm-reward --ref is given, and the mean of logp that it should find
    for row in rows[: a.texts]:
        f.write(json.dumps({k: row[k] for k in ("id", "text", "eos", "ref")}) + "\n")
out = {"tokens": torch.tensor(tokens), "tokens.counts": torch.tensor(counts), "logp": logp}
save_file(out, a.out / "parity.safetensors")
