#!/usr/bin/env python3
"""Writes clip.json: CLIPScore and RefCLIPScore of the tiny oracle's captions under the bundled CLIP by their authors' definition (Hessel et al. 2021, as
github.com/jmhessel/clipscore computes it: prefix "A photo depicts ", w = 2.5), and torchmetrics' CLIPScore (100 x cosine of the text
as it is, the mean over the set not below 0), with transformers' CLIPModel in double.

    python3 tests/golden/metrics/make_clip.py     (needs torch, transformers, pillow)

References of a caption are the captions of the two records before it.
"""
import json, pathlib
import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

ROOT = pathlib.Path(__file__).parents[1] / "oracle/tiny"
CLIP = pathlib.Path(__file__).parents[3] / "share/tiny/clip"
model = CLIPModel.from_pretrained(CLIP).double().eval()
tokenizer, processor = CLIPTokenizer.from_pretrained(CLIP), CLIPImageProcessor.from_pretrained(CLIP, use_fast=False)
records = [json.loads(line) for line in open(ROOT / "f64/captions.jsonl")]


def unit(x):
    x = x if torch.is_tensor(x) else x.pooler_output
    return x / x.norm(dim=-1, keepdim=True)


@torch.no_grad()
def texts(list_of_texts):
    limit = model.config.text_config.max_position_embeddings
    rows = [tokenizer(t, truncation=True, max_length=limit, return_tensors="pt") for t in list_of_texts]
    return torch.cat([unit(model.get_text_features(**r)) for r in rows])


with torch.no_grad():
    pixels = processor([Image.open(ROOT / "f64" / r["frame"]["path"]) for r in records], return_tensors="pt").pixel_values.double()
    images = unit(model.get_image_features(pixel_values=pixels))
plain = texts([r["caption"]["text"] for r in records])
prompted = texts(["A photo depicts " + r["caption"]["text"] for r in records])
scores = 2.5 * (images * prompted).sum(1).clamp(min=0)
closest = [max(float(prompted[i] @ prompted[(i - k) % len(records)]) for k in (1, 2)) for i in range(len(records))]
refs = [2 * s * b / (s + b) if s > 0 and b > 0 else 0 for s, b in zip(scores.tolist(), closest)]
json.dump({"clipscore": scores.tolist(), "refclipscore": refs, "cosine": (images * plain).sum(1).tolist(),
           "torchmetrics": max(0, float(100 * (images * plain).sum(1).mean()))}, open(pathlib.Path(__file__).parent / "clip.json", "w"), indent=1)
