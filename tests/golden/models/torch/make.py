#!/usr/bin/env python3
"""Files of torch.save beside what is in them: tests/golden/models/torch/make.py (needs torch and safetensors)."""
import collections, json, os, pathlib
import torch
from safetensors.torch import load_file, save_file

here = pathlib.Path(__file__).resolve().parent
torch.manual_seed(1)
big = torch.randn(10, 4)
state = collections.OrderedDict(a=torch.randn(2, 3).half(), b=torch.arange(4.), i=torch.arange(3), s=torch.tensor(2.5),
                                w=torch.randn(7, 5).bfloat16(), view=big[3:5], one=torch.randn(3, 1))
module = torch.nn.Linear(3, 2)


class Command:
    def __reduce__(self):
        return os.system, ("touch pwned",)


torch.save(state, here / "state.pt")
torch.save(state, here / "protocol4.pt", pickle_protocol=4)
torch.save(dict(module.named_parameters()), here / "parameters.pt")
torch.save(module.state_dict(), here / "module-state.pt")
save_file({k: v.clone() for k, v in state.items()}, here / "state.safetensors")
save_file(module.state_dict(), here / "module.safetensors")
buffers = {"flag": torch.tensor([True, False]), "byte": torch.arange(3, dtype=torch.uint8), "char": torch.arange(-1, 2, dtype=torch.int8),
           "short": torch.arange(-2, 2, dtype=torch.int16)}
torch.save(buffers, here / "buffers.pt")
save_file(buffers, here / "buffers.safetensors")
torch.save({"x": big.t()}, here / "strided.pt")
torch.save({"x": torch.randn(3, 1).expand(3, 4)}, here / "expanded.pt")
torch.save({"x": big}, here / "before-1.6.pt", _use_new_zipfile_serialization=False)
torch.save({"x\ud800": torch.ones(2), "y": torch.ones(1)}, here / "surrogate.pt")
torch.save({"model": state}, here / "nested.pt")
torch.save(module, here / "module.pt")
torch.save({"x": Command()}, here / "command.pt")
# A whole state dict, as a tied head and buffers make it longer than what is trained.
torch.save({**module.state_dict(), "lm_head.weight": module.weight, "position_ids": torch.arange(4), "value_head.bias": torch.ones(2)}, here / "tied.pt")
torch.manual_seed(2)
# A delta as VLRM's authors released theirs: the trained parts alone, in half precision, to be loaded over the base with strict=False.
base = load_file(here / "../../oracle/tiny/blip2/model.safetensors")
trained = {k: v for k, v in base.items() if k.split(".")[0] in ("query_tokens", "qformer", "language_projection")}
torch.save(collections.OrderedDict((k, (v.float() + 0.1 * torch.randn(v.shape)).half()) for k, v in trained.items()), here / "vlrm-delta.pt")
# A model's folder as transformers wrote it before safetensors: shards and their index.
shards = here / "sharded"
shards.mkdir(exist_ok=True)
names = sorted(base)
index = {}
for i in range(2):
    file = f"pytorch_model-{i + 1:05d}-of-00002.bin"
    part = collections.OrderedDict((k, base[k]) for k in names[i::2])
    part._metadata = {"": {"version": 1}}  # as Module.state_dict() leaves it
    torch.save(part, shards / file)
    index |= dict.fromkeys(part, file)
(shards / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": index}, indent=1) + "\n")
