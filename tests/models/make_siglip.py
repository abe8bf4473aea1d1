#!/usr/bin/env python3
"""SigLIPs with the results of transformers in float64, for test_scorer.c and scorer-kinds.bats.

    make_siglip.py FAMILIES OUT NAME TOKENIZER [F16]    FAMILIES: what the oracle's families.py wrote (siglip); TOKENIZER: tokenizer.json or spiece.model

OUT/NAME gets the checkpoint; parity.safetensors: pixels (f32), ids and their counts, image and text (unit rows); images, and
captions.jsonl: text i about image i mod 6 and their cosine.
"""
import json, pathlib, shutil, sys
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import SiglipModel

families, out, name, tokenizer, *half = sys.argv[1:]
def halve():
    """Weights stored as f16, config.json saying so: half the file, and what is compared are the rounded ones."""
    save_file({k: t.half() for k, t in load_file(folder / "model.safetensors").items()}, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {k: "float16" for k in ("torch_dtype", "dtype") if k in config}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


source, reference, folder = pathlib.Path(families) / "siglip", pathlib.Path(families) / "siglip-reference", pathlib.Path(out) / name
shutil.copytree(reference / "images", folder / "images")
for n in "config.json", "preprocessor_config.json", "model.safetensors", "tokenizer_config.json", "special_tokens_map.json", tokenizer:
    shutil.copyfile(source / n, folder / n)
if half:
    halve()
rows = [json.loads(x) for x in (reference / "texts.jsonl").read_text().splitlines()]
ids, theirs = [r["ids"] for r in rows], load_file(reference / "forward.safetensors")
pixels = theirs["pixel_values"].float()
model = SiglipModel.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float64).eval()
with torch.no_grad():
    image = F.normalize(model.vision_model(pixel_values=pixels.double()).pooler_output, dim=-1)
    text = F.normalize(model.text_model(input_ids=torch.tensor(ids)).pooler_output, dim=-1)
assert max((image - theirs["image"]).abs().max(), (text - theirs["text"]).abs().max()) < (0.05 if half else 1e-5)
save_file({"pixels": pixels, "ids": torch.tensor(sum(ids, [])), "ids.counts": torch.tensor([len(i) for i in ids]), "image": image, "text": text}, folder / "parity.safetensors")
with open(folder / "captions.jsonl", "w") as f:
    for i, r in enumerate(rows):
        line = {"id": r["id"], "frame": {"path": f"images/{i % 6:04d}.png"}, "caption": {"text": r["text"]}, "cosine": float(image[i % 6] @ text[i])}
        f.write(json.dumps(line) + "\n")
