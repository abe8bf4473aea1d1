#!/usr/bin/env python3
"""Inputs and results of the reference for test_parity.c, in float64.

    make_parity.py ORACLE CHECKPOINTS OUT [--items N] [--seed N]

ORACLE: the folder of vlrm_torch.py. CHECKPOINTS: what its checkpoints.py wrote. OUT: parity.safetensors is written there. It holds
pixels, token ids (captions, word pieces, CLIP's), trained parts under their names, and the results named in vlrm_torch.py's README.
"""
import argparse, pathlib, random, sys
import torch
from PIL import Image
from safetensors.torch import save_file

ap = argparse.ArgumentParser()
ap.add_argument("oracle", type=pathlib.Path)
ap.add_argument("checkpoints", type=pathlib.Path)
ap.add_argument("out", type=pathlib.Path)
ap.add_argument("--items", type=int, default=3)
ap.add_argument("--seed", type=int, default=1)
ap.add_argument("--max-tokens", type=int, default=12)
a = ap.parse_args()
a.lora_rank, a.lora_alpha, a.value_head, a.value_blocks, a.value_width = 2, 6.0, "residual", 2, 2
sys.path.insert(0, str(a.oracle))
import vlrm_torch  # noqa: E402

torch.set_num_threads(1)
r = random.Random(a.seed)
v = vlrm_torch.Vlrm(a.checkpoints, torch.float64, a)
size = v.blip2.config.vision_config.image_size
clip_size = v.clip.config.vision_config.image_size if v.clip else 0
out = {}
ragged = {"tokens": [], "itm_ids": [], "clip_ids": []}
each = {k: [] for k in ("pixels", "vision", "prefix", "itm_logits", "clip_pixels", "clip_image", "clip_text")}
flat = {k: [] for k in ("logp", "ref_logp", "values")}
with torch.no_grad():
    for n, p in v.value.items():  # what is stored is f32
        p.copy_(p.float().double())
        out[n] = p.float()
    for i in range(a.items):
        image = vlrm_torch.draw_image(r, size)
        tokens = vlrm_torch.draw_caption(r, v.tok, a.max_tokens)
        text, _ = v.tok.decode(tokens)
        px = vlrm_torch.pixel_values(image, torch.float64)
        features = v.vision(px)
        prefix = v.prefix(features)
        found = [px[0].float(), features[0], prefix[0], v.itm_logits(px, text, 32)]
        if v.clip:
            cpx = vlrm_torch.pixel_values(image.resize((clip_size, clip_size), Image.BICUBIC), torch.float64)
            found += [cpx[0].float(), *v.clip_embeddings(cpx, text)]
            ragged["clip_ids"].append(v.clip_tok(text, truncation=True, max_length=77).input_ids)
        for k, t in zip(each, found):
            each[k].append(t)
        for k, t in zip(flat, (v.logp(prefix, tokens), v.logp(None, tokens), v.head(v.hidden(prefix, tokens, lora=True)))):
            flat[k].append(t)
        ragged["tokens"].append(tokens)
        ragged["itm_ids"].append(v.itm_tok(text, truncation=True, max_length=32).input_ids)
for k, rows in ragged.items():
    out[k] = torch.tensor([x for row in rows for x in row], dtype=torch.int64)
    out[k + ".counts"] = torch.tensor([len(row) for row in rows], dtype=torch.int64)
out |= {k: torch.stack(t) for k, t in each.items() if t} | {k: torch.cat(t) for k, t in flat.items()}
save_file({k: t.contiguous().clone() for k, t in out.items()}, a.out / "parity.safetensors")
