#!/usr/bin/env python3
"""Copies small models of the tests into share/doctor/families, for vlrm-doctor: configuration and weights, and as expected/values.safetensors those inputs
and results of parity.safetensors that it compares.

    tests/golden/models/make_families.py       needs numpy and safetensors; then make_family_layers.py
"""
import pathlib, shutil
from safetensors.numpy import load_file, save_file

GOLDEN = pathlib.Path(__file__).resolve().parents[1]
OUT = GOLDEN.parents[1] / "share" / "doctor" / "families"
CAPTIONER = "prompt tokens tokens.counts pixel_values connector logp".split()
FAMILIES = {
    "llava": (GOLDEN / "models/captioner/llava", "model", CAPTIONER),
    "smolvlm": (GOLDEN / "models/captioner/smolvlm", "model", CAPTIONER),
    "instructblip": (GOLDEN / "models/captioner/instructblip", "model", CAPTIONER + ["request", "vision"]),
    "blip": (GOLDEN / "models/captioner/blip", "model", CAPTIONER),
    "siglip": (GOLDEN / "siglip/tiny", "", "pixels ids ids.counts image text".split()),
    "blip-itm": (GOLDEN / "blip-itm/tiny", "", "pixels ids ids.counts itm_logits".split()),
    "llama": (GOLDEN / "models/language/llama", "model", "tokens tokens.counts logp".split()),
}
shutil.rmtree(OUT, ignore_errors=True)
for name, (folder, model, wanted) in FAMILIES.items():
    (OUT / name / "expected").mkdir(parents=True)
    for path in (folder / model).iterdir():
        if path.name in ("config.json", "generation_config.json", "preprocessor_config.json", "model.safetensors.index.json") or (
            path.suffix == ".safetensors" and path.name != "parity.safetensors"
        ):
            shutil.copyfile(path, OUT / name / path.name)
    parity = load_file(folder / "parity.safetensors")
    save_file({key: parity[key] for key in wanted}, OUT / name / "expected" / "values.safetensors")
