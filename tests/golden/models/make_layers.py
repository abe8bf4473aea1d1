#!/usr/bin/env python3
"""Adds to share/doctor what its models give when they end after fewer layers, by torch in float64: what vlrm-doctor compares layer by layer.

    tests/golden/models/make_layers.py       after make.sh, which makes share/doctor

layers.safetensors: "vision.1" is what parity.safetensors calls vision, of an encoder that ends after its first layer; and so on for prefix, logp,
itm_logits, clip_image and clip_text, up to the last layer but one. That whole models give what parity.safetensors has is checked here. Needs torch
2.15, transformers 5.23, safetensors.
"""
import contextlib, pathlib
import torch
from safetensors.torch import load_file, save_file
from transformers import Blip2ForConditionalGeneration, Blip2ForImageTextRetrieval, CLIPModel

DOCTOR = pathlib.Path(__file__).resolve().parents[3] / "share" / "doctor"
BOS = 2
torch.set_num_threads(1)
given = load_file(DOCTOR / "parity.safetensors")
load = lambda kind, name: kind.from_pretrained(DOCTOR / name, dtype=torch.float64).eval()
blip2, itm, clip = load(Blip2ForConditionalGeneration, "blip2"), load(Blip2ForImageTextRetrieval, "itm"), load(CLIPModel, "clip")
pixels, clip_pixels = given["pixels"].double(), given["clip_pixels"].double()


def ragged(name):
    return [x.tolist() for x in given[name].split(given[name + ".counts"].tolist())]


@contextlib.contextmanager
def ending_after(owner, name, n):
    """The model with the first n of its layers."""
    whole = getattr(owner, name)
    setattr(owner, name, whole[:n])
    if hasattr(owner, "config"):
        depth, owner.config.num_hidden_layers = owner.config.num_hidden_layers, n
    yield
    setattr(owner, name, whole)
    if hasattr(owner, "config"):
        owner.config.num_hidden_layers = depth


def vision():
    return blip2.vision_model(pixel_values=pixels).last_hidden_state


def prefix():
    queries = blip2.query_tokens.expand(len(pixels), -1, -1)
    return blip2.language_projection(blip2.qformer(query_embeds=queries, encoder_hidden_states=features).last_hidden_state)


def logp():
    found = []
    for p, tokens in zip(prefixes, ragged("tokens")):
        x = torch.cat([p[None], blip2.language_model.get_input_embeddings()(torch.tensor([[BOS] + tokens[:-1]]))], 1)
        h = blip2.language_model.model(inputs_embeds=x, attention_mask=torch.ones(x.shape[:2], dtype=torch.long)).last_hidden_state[0, -len(tokens) :]
        found.append(blip2.language_model.lm_head(h).log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0])
    return torch.cat(found)


def texts_of(name):
    return [(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.long)) for ids in ragged(name)]


def itm_logits():
    one = lambda i, ids, mask: itm(pixel_values=pixels[i : i + 1], input_ids=ids, attention_mask=mask, use_image_text_matching_head=True)
    return torch.stack([one(i, ids, mask).logits_per_image[0] for i, (ids, mask) in enumerate(texts_of("itm_ids"))])


def clip_image():
    return torch.nn.functional.normalize(clip.visual_projection(clip.vision_model(pixel_values=clip_pixels).pooler_output), dim=-1)


def clip_text():
    one = lambda ids, mask: clip.text_projection(clip.text_model(input_ids=ids, attention_mask=mask).pooler_output)[0]
    return torch.nn.functional.normalize(torch.stack([one(*t) for t in texts_of("clip_ids")]), dim=-1)


with torch.no_grad():
    features = vision()
    prefixes = prefix()
    out = {}
    for compute, owner, layers in (
        (vision, blip2.vision_model.encoder, "layers"),
        (prefix, blip2.qformer.encoder, "layer"),
        (logp, blip2.language_model.model.decoder, "layers"),
        (itm_logits, itm.qformer.encoder, "layer"),
        (clip_image, clip.vision_model.encoder, "layers"),
        (clip_text, clip.text_model.encoder, "layers"),
    ):
        name = compute.__name__
        off = (compute() - given[name]).abs().max().item()
        assert off < 1e-9, (name, off)
        for n in range(1, len(getattr(owner, layers))):
            with ending_after(owner, layers, n):
                out[f"{name}.{n}"] = compute().contiguous()
            assert (out[f"{name}.{n}"] - given[name]).abs().max() > 1e-3, "a layer that does nothing"
save_file(out, DOCTOR / "layers.safetensors")
