#!/usr/bin/env python3
"""A captioner's folder for test_captioner.c and the programs' tests, by ../shared/oracle/families.py in float64.

    make_captioner.py ORACLE OUT --family smolvlm|llava|instructblip|joycaption|blip --size tiny|odd [--seed N]

OUT gets model/ (the checkpoint as published) and, of two images and five captions: parity.safetensors, all that families.py says of them
(forward, policy and policy-lora), with prompt, tokens and tokens.counts; images/ and generate.jsonl. Pixels are rounded to float32 before the model
sees them, as every processor gives them: a double build can then come to 1e-9. Run it by pillow_only.py.
"""
import argparse, importlib, json, pathlib, shutil, sys, tempfile
import torch
from safetensors.torch import load_file, save_file

ap = argparse.ArgumentParser()
ap.add_argument("oracle", type=pathlib.Path)
ap.add_argument("out", type=pathlib.Path)
ap.add_argument("--family", required=True)
ap.add_argument("--size", required=True)
ap.add_argument("--seed", type=int, default=1)
a = ap.parse_args()
sys.path.insert(0, str(a.oracle))
import families  # noqa: E402

families.IMAGES, families.CAPTIONS = 2, 5
if a.family in ("instructblip", "joycaption", "blip"):  # which the oracle does not have, or as a larger one
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    families.FAMILIES[a.family] = getattr(importlib.import_module("families_" + a.family), a.family)
exact = families.pixel_values
families.pixel_values = lambda *args: exact(*args).float().double()
with tempfile.TemporaryDirectory() as made:
    sys.argv = ["families.py", made, "--family", a.family, "--size", a.size, "--seed", str(a.seed), "--dtype", "float64"]
    families.main()
    made = pathlib.Path(made)
    reference = made / (a.family + "-reference")
    out = load_file(reference / "forward.safetensors")
    out["pixel_values"] = out["pixel_values"].float()
    for name in ("policy", "policy-lora"):
        t = load_file(reference / f"{name}.safetensors")
        own = "base_model" if name == "policy-lora" else ""  # the connector's are of `policy`
        kept = {k: v for k, v in t.items() if k in ("p", "loss") or k.startswith("grad." + own) or (own and k.startswith(own))}
        out |= {f"{name}.{k}" if not k.startswith("base_model") else k: v.float() if k.startswith("base_model") else v for k, v in kept.items()}
        out["normalised"] = t["normalised"]
    captions = [json.loads(line)["caption"]["tokens"] for line in open(reference / "captions.jsonl")]
    prompt = json.loads((reference / "prompt.json").read_text())
    out["prompt"] = torch.tensor(prompt["ids"])
    if "request" in prompt:
        out["request"] = torch.tensor(prompt["request"])
    out["tokens"] = torch.tensor([t for c in captions for t in c])
    out["tokens.counts"] = torch.tensor([len(c) for c in captions])
    shutil.rmtree(a.out, ignore_errors=True)
    shutil.copytree(made / a.family, a.out / "model")
    if a.family == "joycaption":
        weights = a.out / "model/model.safetensors"
        save_file({k: v.half() for k, v in load_file(weights).items()}, weights, metadata={"format": "pt"})
    shutil.copytree(reference / "images", a.out / "images")
    for file in (*reference.glob("generate*.jsonl"), reference / "captions.jsonl", reference / "prompt.json"):
        shutil.copy(file, a.out)
    save_file({k: v.contiguous().clone() for k, v in out.items()}, a.out / "parity.safetensors")
