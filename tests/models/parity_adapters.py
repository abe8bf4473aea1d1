#!/usr/bin/env python3
"""vlrm-update with every part trained at once, adapters of the vision encoder and of the language model among them, against torch.

    parity_adapters.py ORACLE CHECKPOINTS RUN prepare          writes RUN/everything.safetensors: what all parts start from
    parity_adapters.py ORACLE CHECKPOINTS RUN check DUMP TOL   compares DUMP/step-K.safetensors with the same steps in torch, float64

ORACLE: the folder of vlrm_torch.py. RUN: what it wrote for these CHECKPOINTS (--value-head linear), read for options, inputs and
rewards. The policy's own adapters are no part of that reference: they are added here, to the layers that it has.
"""
import json, math, pathlib, sys
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

oracle, checkpoints, run, verb = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4]
sys.path.insert(0, str(oracle))
import vlrm_torch as reference  # noqa: E402

torch.set_num_threads(1)
options = json.loads((run / "options.json").read_text())
a = type("Options", (), options)
v = reference.Vlrm(checkpoints, torch.float64, a)
lines = lambda name: [json.loads(line) for line in (run / name).read_text().splitlines()]

# The policy's adapters: inside the value pass's wrappers in the language model, on the layers themselves in the encoder.
own = {"vision": {}, "llm": {}}
for name, wrapped in v.lora.items():
    wrapped.base = own["llm"][name] = reference.LoraLinear(wrapped.base, a.lora_rank, a.lora_alpha)
for i, layer in enumerate(v.blip2.vision_model.encoder.layers):
    for owner, at, names in ((layer.self_attn, "self_attn", ("qkv", "projection")), (layer.mlp, "mlp", ("fc1", "fc2"))):
        for n in names:
            wrapped = reference.LoraLinear(getattr(owner, n), a.lora_rank, a.lora_alpha)
            setattr(owner, n, wrapped)
            own["vision"][f"vision_model.encoder.layers.{i}.{at}.{n}"] = wrapped
policy = dict(v.policy)
for part, prefix in (("vision", ""), ("llm", "policy.")):
    for name, m in own[part].items():
        policy[f"{prefix}base_model.model.{name}.lora_A.weight"] = m.lora_A
        policy[f"{prefix}base_model.model.{name}.lora_B.weight"] = m.lora_B
start = run / "everything.safetensors"
if verb == "prepare":
    g = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, p in sorted(policy.items()):
            if "lora_" in name:  # B is not zero: that would hide A's gradient
                p.copy_(torch.randn(p.shape, generator=g, dtype=p.dtype) * (0.05 if "lora_B" in name else 1 / math.sqrt(p.shape[1])))
    save_file({n: p.detach().contiguous().clone() for n, p in {**policy, **v.value}.items()}, start)
    sys.exit(0)


def adapt(part, on):
    for m in own[part].values():
        m.on = on


everything = {**policy, **v.value}
tensors, dump, tolerance = load_file(start), pathlib.Path(sys.argv[5]), float(sys.argv[6])
with torch.no_grad():
    for name, p in everything.items():
        p.copy_(tensors[name])
        p.requires_grad_(True)
adam = torch.optim.Adam(everything.values(), lr=options["learning_rate"], betas=(0.9, 0.999), eps=1e-8)
captions, rewards, worst, failed = lines("captions.jsonl"), {r["id"]: r["reward"]["returns"] for r in lines("rewards.jsonl")}, 0, 0
for step in range(1, options["steps"] + 1):
    batch = captions[(step - 1) * options["batch"] : step * options["batch"]]
    pixels = [reference.pixel_values(Image.open(run / c["frame"]["path"]), torch.float64) for c in batch]
    returns = [torch.tensor(rewards[c["id"]], dtype=torch.float64) for c in batch]
    adam.zero_grad()
    advantages = []
    adapt("vision", True)
    for c, px, r in zip(batch, pixels, returns):
        prefix = v.prefix(v.vision(px)).detach()
        values = v.head(v.hidden(prefix, c["caption"]["tokens"], lora=True))
        ((r - values) ** 2).mean().div(len(batch)).backward()
        advantages.append((r - values).detach())
    adapt("llm", True)
    for c, px, m in zip(batch, pixels, reference.normalised(advantages)):
        p = v.logp(v.prefix(v.vision(px)), c["caption"]["tokens"]).exp()
        (-(p * m).mean() / len(batch)).backward()
    adapt("llm", False)
    expected = {f"grad.{n}": p.grad.clone() for n, p in everything.items()}
    torch.nn.utils.clip_grad_value_(everything.values(), options["max_grad_value"])
    for group in adam.param_groups:
        group["lr"] = options["learning_rate"] * min(1, step / options["warmup_steps"])
    adam.step()
    expected |= {n: p.detach().clone() for n, p in everything.items()}
    found = load_file(dump / f"step-{step}.safetensors")
    norm = math.sqrt(sum(float(t.norm()) ** 2 for t in expected.values()))
    for name, t in expected.items():
        if name.startswith("grad.") or not name.endswith(("key.bias", "k_proj.bias")):  # whose gradients are noise
            error = float((found[name].double() - t).norm()) / (float(t.norm()) + 1e-6 * norm)
            worst = max(worst, error)
            if not error <= tolerance:
                print(f"step {step}: {name}: relative error {error:.3g}, tolerance {tolerance:g}")
                failed += 1
print(f"{len(expected)} tensors in each of {options['steps']} steps compared, worst {worst:.3g}")
sys.exit(failed > 0)
