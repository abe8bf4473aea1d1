#!/usr/bin/env python3
"""What a reference language model makes of captions by their text: tests/golden/ref/make.py (needs torch, transformers, tokenizers).

The model is the one inside ../oracle/tiny/blip2. A caption's text is cut by that folder's own tokenizer, its end is that folder's newline,
and ref is the mean log-probability of these ids behind BOS, in double precision."""
import json, pathlib
import torch
from safetensors.torch import load_file
from tokenizers import ByteLevelBPETokenizer
from transformers import OPTConfig, OPTForCausalLM

here = pathlib.Path(__file__).resolve().parent
blip2 = here.parent / "oracle/tiny/blip2"
config = json.loads((blip2 / "config.json").read_text())["text_config"]
model = OPTForCausalLM(OPTConfig(**config)).double().eval()
prefix = "language_model."
weights = {k[len(prefix):]: v.double() for k, v in load_file(blip2 / "model.safetensors").items() if k.startswith(prefix)}
missing, unexpected = model.load_state_dict(weights, strict=False)
assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
model.tie_weights()
tokenizer = ByteLevelBPETokenizer(str(blip2 / "vocab.json"), str(blip2 / "merges.txt"))
bos, eos = config["bos_token_id"], config["eos_token_id"]

texts = [json.loads(line)["caption"]["text"] for line in open(here.parent / "oracle/tiny/f64/captions.jsonl")][:8]
texts += ["a red circle", "a red circle on a blue square", "é 猫, it's 1993", "</s> is text here"]
with open(here / "expected.jsonl", "w") as out, torch.no_grad():
    for i, text in enumerate(texts):
        ended = i % 3 != 2
        ids = tokenizer.encode(text).ids + [eos] * ended
        ref = 0.0
        if ids:
            logp = torch.log_softmax(model(input_ids=torch.tensor([[bos] + ids[:-1]])).logits[0], -1)
            ref = logp[torch.arange(len(ids)), torch.tensor(ids)].mean().item()
        line = {"id": f"{i:02d}", "frame": {"path": f"images/{i:04d}.png"}, "caption": {"text": text, "eos": ended}, "ids": ids, "ref": ref}
        print(json.dumps(line), file=out)
