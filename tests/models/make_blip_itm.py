#!/usr/bin/env python3
"""BLIP's matching models with the results of transformers in float64, for test_matcher.c and vlrm-reward-blip.bats.

    make_blip_itm.py FAMILIES OUT NAME [F16]    FAMILIES: what the oracle's families.py wrote (blip-itm)

OUT/NAME gets the checkpoint; parity.safetensors: pixels (f32), ids and their counts, itm_logits of whole texts and itm_logits_35 of their first 35
ids; images, and captions.jsonl: text i about image i mod 6, the logit of a match, and that of the first 35 ids.
"""
import json, pathlib, shutil, sys
import torch
from safetensors.torch import load_file, save_file
from transformers import BlipForImageTextRetrieval

families, out, name, *half = sys.argv[1:]
def halve():
    """Weights stored as f16, config.json saying so: half the file, and what is compared are the rounded ones."""
    save_file({k: t.half() for k, t in load_file(folder / "model.safetensors").items()}, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {k: "float16" for k in ("torch_dtype", "dtype") if k in config}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


source, reference, folder = pathlib.Path(families) / "blip-itm", pathlib.Path(families) / "blip-itm-reference", pathlib.Path(out) / name
shutil.copytree(reference / "images", folder / "images")
for n in "config.json", "preprocessor_config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json":
    shutil.copyfile(source / n, folder / n)
if half:
    halve()
rows = [json.loads(x) for x in (reference / "texts.jsonl").read_text().splitlines()]
theirs = load_file(reference / "forward.safetensors")
pixels, ids = theirs["pixel_values"].float(), [r["ids"] for r in rows]
model = BlipForImageTextRetrieval.from_pretrained(folder, dtype=torch.float64).eval()


def logits(limit):
    cut = [i if len(i) <= limit else i[:limit - 1] + i[-1:] for i in ids]
    with torch.no_grad():
        return torch.stack([model(input_ids=torch.tensor([c]), pixel_values=pixels[i % 6][None].double(), use_itm_head=True).itm_score[0] for i, c in enumerate(cut)])


whole, short = logits(512), logits(35)
assert max((whole - theirs["itm_logits"]).abs().max(), (short - theirs["itm_logits_35"]).abs().max()) < (0.1 if half else 1e-4)
save_file({"pixels": pixels, "ids": torch.tensor(sum(ids, [])), "ids.counts": torch.tensor([len(i) for i in ids]), "itm_logits": whole, "itm_logits_35": short},
          folder / "parity.safetensors")
with open(folder / "captions.jsonl", "w") as f:
    for i, r in enumerate(rows):
        f.write(json.dumps({"id": r["id"], "frame": {"path": f"images/{i % 6:04d}.png"}, "caption": {"text": r["text"]}, "itm": float(whole[i, 1]), "itm_35": float(short[i, 1])}) + "\n")
