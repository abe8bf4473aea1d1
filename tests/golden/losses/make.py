#!/usr/bin/env python3
"""Gradients of the policy's other losses: tests/golden/losses/make.py (needs ../shared/oracle and its python, README there).

The model is ../oracle/tiny, the policy its parameters after five steps, the captions of the first batch; M is equation 3 on the returns
themselves. loss = -mean of log p M + 0.5 k3 - 0.3 H, means over captions of means over tokens, in double precision. losses.json has each
term by itself, and the same with p."""
import argparse, json, pathlib, sys
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[2] / "../shared/oracle"))
from vlrm_torch import Vlrm, normalised, pixel_values

KL, ENTROPY, BATCH = 0.5, 0.3, 6
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
tiny = here.parent / "oracle/tiny"
args = argparse.Namespace(lora_rank=4, lora_alpha=8, value_blocks=1, value_width=1, value_head="linear", seed=1)
v = Vlrm(tiny, torch.float64, args)
lines = lambda name: [json.loads(x) for x in open(tiny / "f64" / name)][:BATCH]
captions = [x["caption"]["tokens"] for x in lines("captions.jsonl")]
with torch.no_grad():
    features = [v.vision(pixel_values(Image.open(tiny / "f64" / x["frame"]["path"]), torch.float64)) for x in lines("captions.jsonl")]
    base = [v.logp(v.prefix(f), t) for f, t in zip(features, captions)]
    for name, value in load_file(tiny / "f64/step-5.safetensors").items():
        if name in v.policy:
            v.policy[name].copy_(value)
M = normalised([torch.tensor(x["reward"]["returns"], dtype=torch.float64) for x in lines("rewards.jsonl")])

mean = lambda terms: sum(t.mean() for t in terms) / BATCH
logp, entropy = [], []
for f, t in zip(features, captions):
    lp = torch.log_softmax(v.lm.lm_head(v.hidden(v.prefix(f), t)), -1)
    logp.append(lp[torch.arange(len(t)), torch.tensor(t)])
    entropy.append(-(lp.exp() * lp).sum(-1))
terms = {"logp": -mean([x * m for x, m in zip(logp, M)]), "p": -mean([x.exp() * m for x, m in zip(logp, M)]),
         "kl": mean([(b - x).exp() - (b - x) - 1 for x, b in zip(logp, base)]), "entropy": mean(entropy)}
(terms["logp"] + KL * terms["kl"] - ENTROPY * terms["entropy"]).backward()
save_file({f"grad.{n}": p.grad.contiguous() for n, p in v.policy.items()}, here / "all.safetensors")
tokens = {"kl_tokens": torch.cat([(b - x).exp() - (b - x) - 1 for x, b in zip(logp, base)]).mean()}
(here / "losses.json").write_text(json.dumps({k: x.item() for k, x in (terms | tokens).items()}, indent=1) + "\n")
