#!/usr/bin/env python3
"""What tests/bench/llama.sh compares with: mean log p of texts under a LLaMa, by transformers and torch, all texts at once.

    llama_peer.py MODEL TEXTS f32|f16|bf16 OUT

A line of TEXTS is a text; scored are its ids after BOS, and EOS. Prints the seconds of the second of two passes; the means go to OUT, a line each.
"""
import os, sys, time
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
folder, texts, dtype, out = sys.argv[1:]
model = LlamaForCausalLM.from_pretrained(folder, dtype={"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]).eval()
tokenizer, c = Tokenizer.from_file(os.path.join(folder, "tokenizer.json")), model.config
ids = [[c.bos_token_id, *tokenizer.encode(line.rstrip("\n"), add_special_tokens=False).ids, c.eos_token_id] for line in open(texts)]
longest = max(map(len, ids))
batch = torch.tensor([i + [c.eos_token_id] * (longest - len(i)) for i in ids])
mask = torch.tensor([[1] * len(i) + [0] * (longest - len(i)) for i in ids])
with torch.inference_mode():
    for _ in range(2):
        start = time.perf_counter()
        logits = model(input_ids=batch[:, :-1], attention_mask=mask[:, :-1], use_cache=False).logits
        logp = F.log_softmax(logits.float(), -1).gather(2, batch[:, 1:, None])[..., 0]
        means = (logp * mask[:, 1:]).sum(1) / mask[:, 1:].sum(1)
        seconds = time.perf_counter() - start
print(seconds)
with open(out, "w") as f:
    f.writelines(f"{m}\n" for m in means.tolist())
