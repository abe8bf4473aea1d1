#!/usr/bin/env python3
"""What tests/bench/smolvlm.sh compares with: one iteration on a SmolVLM as a careful user of transformers, peft and torch would write it.

    smolvlm_peer.py MODEL [--batch N] [--micro N] [--tokens N] [--dtype float32|bfloat16] [--rounds N]

Batched, scaled-dot-product attention, no gradient where none is needed, logits of the caption's rows alone. Image features are computed once; the value pass
has LoRA on every projection of the language model (peft) and a value head of five residual blocks, the policy pass trains the connector. Every caption
has exactly --tokens tokens. One JSON line a round: seconds for encode, rollout, values, policy, adam; peak memory in MiB.
"""
import argparse, json, resource, time
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import SmolVLMForConditionalGeneration


class ValueHead(torch.nn.Module):
    def __init__(self, d, blocks=5, width=4):
        super().__init__()
        self.blocks = torch.nn.ModuleList(
            torch.nn.ModuleDict(dict(norm=torch.nn.LayerNorm(d), up=torch.nn.Linear(d, width * d), down=torch.nn.Linear(width * d, d))) for _ in range(blocks))
        self.hidden, self.out = torch.nn.Linear(d, 2 * d), torch.nn.Linear(2 * d, 1)

    def forward(self, x):
        for b in self.blocks:
            x = x + b["down"](F.gelu(b["up"](b["norm"](x))))
        return self.out(F.gelu(self.hidden(x)))[..., 0]


class Peer:
    def __init__(self, folder, dtype):
        self.model = SmolVLMForConditionalGeneration.from_pretrained(folder, dtype=dtype).eval().requires_grad_(False)
        names = r".*text_model.*(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
        self.peft = get_peft_model(self.model, LoraConfig(r=4, lora_alpha=8, target_modules=names))
        self.inner, c = self.model.model, self.model.config
        self.text, self.image = self.inner.text_model, c.image_token_id
        self.head = ValueHead(c.text_config.hidden_size).to(dtype)
        self.policy = list(self.inner.connector.parameters())
        self.value = [*self.head.parameters(), *(p for n, p in self.peft.named_parameters() if "lora_" in n)]
        for p in self.policy:
            p.requires_grad_(True)
        self.opt = torch.optim.Adam([{"params": self.policy}, {"params": self.value}], lr=1e-5)

    def prefix(self, feats, prompt):
        """[n, prompt, d]: the connector's rows where <image> is."""
        rows = self.inner.connector(feats)
        x = self.text.embed_tokens(prompt).expand(len(feats), -1, -1)
        return x.masked_scatter((prompt == self.image)[None, :, None], rows.to(x.dtype))

    def hidden(self, prefix, ids):
        x = torch.cat([prefix, self.text.embed_tokens(ids[:, :-1])], 1)
        return self.text(inputs_embeds=x, use_cache=False).last_hidden_state[:, -ids.shape[1]:]

    def logp(self, prefix, ids):
        return F.log_softmax(self.model.lm_head(self.hidden(prefix, ids)).float(), -1).gather(2, ids[..., None])[..., 0]

    def iteration(self, pixels, prompt, tokens, micro):
        t, n, parts = {}, len(pixels), range(0, len(pixels), micro)
        def lap(name, start):
            t[name] = t.get(name, 0) + time.perf_counter() - start
        with torch.no_grad():
            self.peft.disable_adapter_layers()
            s = time.perf_counter()
            feats = torch.cat([self.inner.vision_model(pixel_values=pixels[i:i + micro]).last_hidden_state for i in parts]); lap("encode", s)
            s = time.perf_counter()
            prefix = self.prefix(feats, prompt)
            ids = self.model.generate(inputs_embeds=prefix, attention_mask=torch.ones(prefix.shape[:2], dtype=torch.long), do_sample=True, top_k=6,
                                      temperature=2.0, min_new_tokens=tokens, max_new_tokens=tokens, pad_token_id=0)[:, -tokens:]
            lap("rollout", s)
        R = torch.randn(n, 1).expand(-1, tokens)
        s = time.perf_counter(); self.opt.zero_grad(); self.peft.enable_adapter_layers(); V = []
        for i in parts:
            v = self.head(self.hidden(prefix[i:i + micro], ids[i:i + micro])).float()
            (((R[i:i + micro] - v) ** 2).mean(1).sum() / n).backward(); V.append(v.detach())
        lap("values", s); s = time.perf_counter(); self.peft.disable_adapter_layers()
        for p in self.policy: # which disabling adapters leaves alone
            p.requires_grad_(True)
        A = R - torch.cat(V); M = (A - A.mean()) / A.std()
        for i in parts:
            p = self.logp(self.prefix(feats[i:i + micro], prompt), ids[i:i + micro]).exp()
            (-(p * M[i:i + micro]).mean(1).sum() / n).backward()
        lap("policy", s); s = time.perf_counter()
        torch.nn.utils.clip_grad_value_(self.policy + self.value, 1.0); self.opt.step(); lap("adam", s)
        return t


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model"); ap.add_argument("--prompt-tokens", type=int, default=20)
    ap.add_argument("--batch", type=int, default=8); ap.add_argument("--micro", type=int, default=8); ap.add_argument("--tokens", type=int, default=20)
    ap.add_argument("--dtype", default="float32"); ap.add_argument("--rounds", type=int, default=2)
    a = ap.parse_args()
    torch.manual_seed(0)
    peer = Peer(a.model, getattr(torch, a.dtype))
    v, c = peer.model.config.vision_config, peer.model.config
    rows = (v.image_size // v.patch_size // c.scale_factor) ** 2
    prompt = torch.tensor([1] * 8 + [c.image_token_id] * rows + [1] * (a.prompt_tokens - 8))
    pixels = torch.randn(a.batch, 3, v.image_size, v.image_size).to(getattr(torch, a.dtype))
    for _ in range(a.rounds):
        begun = time.process_time()
        t = peer.iteration(pixels, prompt, a.tokens, a.micro)
        t["cpu"] = time.process_time() - begun
        print(json.dumps({**{k: round(x, 4) for k, x in t.items()}, "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}), flush=True)


if __name__ == "__main__":
    main()
