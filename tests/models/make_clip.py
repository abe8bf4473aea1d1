#!/usr/bin/env python3
"""CLIPs of every kind with the results of those who publish them, in float64, for test_scorer.c and scorer-kinds.bats.

    make_clip.py FAMILIES OUT NAME                        Hugging Face's; FAMILIES: what the oracle's families.py wrote (clip-openai)
    make_clip.py --open-clip safetensors|bin FAMILIES OUT NAME    open_clip's own layout, random, with that tokenizer and those images

OUT/NAME gets the checkpoint; parity.safetensors: pixels (f32), ids and their counts, image and text (unit rows); images, and
captions.jsonl: text i about image i mod 6 and their cosine.
"""
import argparse, json, pathlib, shutil
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file

ap = argparse.ArgumentParser()
ap.add_argument("families", type=pathlib.Path)
ap.add_argument("out", type=pathlib.Path)
ap.add_argument("name")
ap.add_argument("--open-clip", choices=["safetensors", "bin"])
ap.add_argument("--custom-text", action="store_true")
ap.add_argument("--quick-gelu", action="store_true")
ap.add_argument("--seed", type=int, default=1)
a = ap.parse_args()
torch.set_num_threads(1)
torch.manual_seed(a.seed)
folder = a.out / a.name
source, reference = a.families / "clip-openai", a.families / "clip-openai-reference"
shutil.copytree(reference / "images", folder / "images")
rows = [json.loads(x) for x in (reference / "texts.jsonl").read_text().splitlines()]


def take(*names):
    for n in names:
        shutil.copy(source / n, folder / n)


def store(pixels, ids, image, text):
    near = {"pixels": pixels, "ids": torch.tensor(sum(ids, [])), "ids.counts": torch.tensor([len(i) for i in ids])}
    save_file({**near, "image": image, "text": text}, folder / "parity.safetensors")
    with open(folder / "captions.jsonl", "w") as f:
        for i, r in enumerate(rows):
            line = {"id": r["id"], "frame": {"path": f"images/{i % 6:04d}.png"}, "caption": {"text": r["text"]}, "cosine": float(image[i % 6] @ text[i])}
            f.write(json.dumps(line) + "\n")


def hugging_face():
    from transformers import CLIPModel
    take("config.json", "preprocessor_config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer_config.json")
    model = CLIPModel.from_pretrained(source, attn_implementation="sdpa", dtype=torch.float64).eval()
    theirs = load_file(reference / "forward.safetensors")
    pixels = theirs["pixel_values"].float()
    image = F.normalize(model.visual_projection(model.vision_model(pixel_values=pixels.double()).pooler_output), dim=-1)
    text = F.normalize(torch.cat([model.text_projection(model.text_model(input_ids=torch.tensor([r["ids"]])).pooler_output) for r in rows]), dim=-1)
    assert (image - theirs["image"]).abs().max() < 1e-5 and (text - theirs["text"]).abs().max() < 1e-5
    store(pixels, [r["ids"] for r in rows], image, text)


def open_clip():
    from open_clip.model import CLIP, CustomTextCLIP
    from open_clip.transform import image_transform
    take("vocab.json", "merges.txt", "tokenizer_config.json")
    bos, *_, eos = rows[1]["ids"]
    size = 33 if a.custom_text else 30  # of which three pixels are in no patch
    vision = dict(image_size=size, patch_size=10, width=36, layers=3, head_width=18, mlp_ratio=2.17)
    words = dict(context_length=20, vocab_size=eos + 1, width=28, heads=2, layers=2, mlp_ratio=3.0)
    if a.custom_text:
        vision["norm_kwargs"] = words["norm_kwargs"] = {"eps": 1e-6}
    model_cfg = dict(embed_dim=22, quick_gelu=a.quick_gelu, vision_cfg=vision, text_cfg=words)
    model = (CustomTextCLIP if a.custom_text else CLIP)(**model_cfg).eval()
    for p in model.parameters():  # biases are zero and norms one at first, and the projections small: nothing would tell them apart
        p.copy_(p + torch.randn(p.shape) * 0.2)
    model_cfg |= {"custom_text": True} if a.custom_text else {}
    preprocess = dict(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5], interpolation="bicubic", resize_mode="shortest")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model_cfg, "preprocess_cfg": preprocess}, indent=1) + "\n")
    state = {k: v.contiguous() for k, v in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors") if a.open_clip == "safetensors" else torch.save(state, folder / "open_clip_pytorch_model.bin")
    look = image_transform(size, False, **preprocess)
    pixels = torch.stack([look(Image.open(p)) for p in sorted((folder / "images").iterdir())])
    ids = [r["ids"] if len(r["ids"]) <= 20 else r["ids"][:19] + [eos] for r in rows]  # as open_clip.tokenize cuts them
    padded, model = torch.tensor([i + [0] * (20 - len(i)) for i in ids]), model.double()
    store(pixels, ids, model.encode_image(pixels.double(), normalize=True), model.encode_text(padded, normalize=True))


with torch.no_grad():
    open_clip() if a.open_clip else hugging_face()
