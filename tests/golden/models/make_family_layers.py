#!/usr/bin/env python3
"""Adds to share/doctor/families what its models give when they end after fewer layers, by torch in float64, as make_layers.py does for BLIP-2's.

    tests/golden/models/make_family_layers.py ORACLE       after make_families.py; ORACLE: the folder of families.py

expected/values.safetensors: "connector.encoder.1" is what it calls connector, of an encoder that ends after its first layer, "connector.qformer.1" of such
a Q-Former, whose encoder is "vision.1"; "logp.1", "image.1", "text.1" and "itm_logits.1" (of the encoder) likewise, up to the last layer but one. That whole models give what is
there already is checked here. Needs torch 2.15, transformers 5.23, safetensors.
"""
import contextlib, pathlib, sys
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, BlipForConditionalGeneration, BlipForImageTextRetrieval, InstructBlipForConditionalGeneration, LlamaForCausalLM, SiglipModel

sys.path.insert(0, sys.argv[1])
import families  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "share" / "doctor" / "families"
families.float64_in_earnest()
torch.set_num_threads(1)


def ragged(given, name):
    return [x.tolist() for x in given[name].split(given[name + ".counts"].tolist())]


@contextlib.contextmanager
def ending_after(model, stack, n):
    """The model with the first n layers of the list of that name."""
    owner, leaf = model.get_submodule(stack.rpartition(".")[0]), stack.rpartition(".")[2]
    whole, config = getattr(owner, leaf), owner.config
    setattr(owner, leaf, whole[:n])
    depth, config.num_hidden_layers = config.num_hidden_layers, n
    yield
    setattr(owner, leaf, whole)
    config.num_hidden_layers = depth


def captioner(model, given, connectors, pixels, more):
    """Functions that give what the connectors make, each of all images, and the log-probabilities, as the whole model computes them."""
    seen, prompt, texts = [], given["prompt"].tolist(), ragged(given, "tokens")
    for name in connectors:
        model.get_submodule(name).register_forward_hook(lambda module, args, out: seen.append(out))
    def run(i, tokens):
        ids = torch.tensor([prompt + tokens[:-1]])
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels(i % len(given["pixel_values"])), **more).logits[0, len(prompt) - 1 :]
        return logits.log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0]
    def rows():
        seen.clear()
        for i in range(len(given["pixel_values"])):
            run(i, texts[0])
        each = len(seen) // len(given["pixel_values"]) # of an image: fewer where layers that have connectors are left out
        return torch.cat([x.reshape(-1, x.shape[-1]) for i in range(each) for x in seen[i::each]])
    return rows, lambda: torch.cat([run(i, t) for i, t in enumerate(texts)])


def stack_of(model, *words):
    """The name of the only list of layers with these words in its name."""
    names = [n for n, m in model.named_modules() if isinstance(m, torch.nn.ModuleList) and n.rpartition(".")[2] in ("layers", "layer") and all(w in n for w in words)]
    assert len(names) == 1, names
    return names[0]


def parts(name, given):
    """[(name of the result, what follows it, function, model, list of layers, layers behind the last that counts)]"""
    load = lambda kind: kind.from_pretrained(FOLDER / name, dtype=torch.float64).eval()
    if name in ("llava", "smolvlm", "instructblip"):
        model = load(InstructBlipForConditionalGeneration if name == "instructblip" else AutoModelForImageTextToText)
        pixels, more = given["pixel_values"].double(), {}
        if name == "instructblip":
            request = given["request"][None]
            more = {"qformer_input_ids": request, "qformer_attention_mask": torch.ones_like(request)}
        connector = {"llava": "model.multi_modal_projector", "smolvlm": "model.connector", "instructblip": "language_projection"}[name]
        rows, logp = captioner(model, given, [connector], (lambda i: pixels[i][None, None]) if name == "smolvlm" else (lambda i: pixels[i][None]), more)
        behind = 1 if name == "llava" else 0 # whose rows are those before its last layer
        if name != "instructblip":
            yield "connector", ".encoder", rows, model, stack_of(model, "vision"), behind
        else:
            images = given["pixel_values"].double()
            yield "vision", "", lambda: model.vision_model(pixel_values=images).last_hidden_state, model, stack_of(model, "vision"), 0
            yield "connector", ".qformer", rows, model, stack_of(model, "qformer"), 0
        yield "logp", "", logp, model, stack_of(model, {"llava": "language_model", "smolvlm": "text_model", "instructblip": "language_model"}[name]), 0
    elif name == "blip":
        model, pixels = load(BlipForConditionalGeneration), given["pixel_values"].double()
        memory = [n for n, _ in model.named_modules() if n.endswith(("crossattention.self.key", "crossattention.self.value"))] # by layer, keys before values
        rows, logp = captioner(model, given, memory, lambda i: pixels[i][None], {})
        yield "connector", ".encoder", rows, model, "vision_model.encoder.layers", 0
        yield "logp", "", logp, model, "text_decoder.bert.encoder.layer", 0
    elif name == "siglip":
        model, pixels, ids = load(SiglipModel), given["pixels"].double(), torch.tensor(ragged(given, "ids"))
        yield "image", "", lambda: F.normalize(model.vision_model(pixel_values=pixels).pooler_output, dim=-1), model, stack_of(model, "vision"), 0
        yield "text", "", lambda: F.normalize(model.text_model(input_ids=ids).pooler_output, dim=-1), model, stack_of(model, "text"), 0
    elif name == "blip-itm":
        model, pixels, ids = load(BlipForImageTextRetrieval), given["pixels"].double(), ragged(given, "ids")
        one = lambda i, c: model(input_ids=torch.tensor([c]), pixel_values=pixels[i % len(pixels)][None], use_itm_head=True).itm_score[0]
        yield "itm_logits", "", lambda: torch.stack([one(i, c) for i, c in enumerate(ids)]), model, stack_of(model, "vision"), 0
    else:
        model = load(LlamaForCausalLM)
        one = lambda t: model(input_ids=torch.tensor([[1] + t[:-1]])).logits[0].log_softmax(-1).gather(1, torch.tensor(t)[:, None])[:, 0]
        yield "logp", "", lambda: torch.cat([one(t) for t in ragged(given, "tokens")]), model, stack_of(model, "layers"), 0


with torch.no_grad():
    for folder in sorted(FOLDER.iterdir()):
        path = folder / "expected" / "values.safetensors"
        given = load_file(path)
        out = dict(given)
        for result, more, compute, model, stack, behind in parts(folder.name, given):
            whole = compute()
            off = (whole.reshape(-1) - given[result].reshape(-1)).abs().max().item()
            assert off < 1e-6 * given[result].abs().max().item(), (folder.name, result, off)
            for n in range(1, len(model.get_submodule(stack)) - behind):
                with ending_after(model, stack, n + behind):
                    out[f"{result}{more}.{n}"] = compute().contiguous()
                assert (out[f"{result}{more}.{n}"] - whole).abs().max() > 1e-6, "a layer that does nothing"
            print(folder.name, result + more, "layers", len(model.get_submodule(stack)) - behind, "whole model off by", off)
        save_file(out, path)
