"""BLIP's captioner for make_captioner.py, from the parts of ../shared/oracle/families.py: called as its families are. Smaller than the oracle's own, and
asked for a picture as well as for nothing (generate-plain.jsonl)."""
import torch
import families as f
import families_tokenizers as tokenizers_of
from transformers import BertTokenizer, BlipForConditionalGeneration


def draw(model, seed, end=None, mute=(), oracles=f.draw):
    """With captions of some length."""
    oracles(model, seed, end, mute)
    with torch.no_grad():
        model.text_decoder.cls.predictions.bias[end] -= 3
    return model


def blip(a, folder, ref, odd):
    f.draw = draw
    literal, _ = tokenizers_of.words(folder, a.seed, "bert", 512, None)
    n, sep, size = literal.get_vocab_size(), literal.token_to_id("[SEP]"), 42 if odd else 24
    text = dict(model_type="blip_text_model", initializer_factor=1.0, bos_token_id=n, sep_token_id=sep, vocab_size=n + 2, max_position_embeddings=80)
    text |= f.widths(30, 5, 22, 3) if odd else f.widths(16, 2, 24, 2)
    vision = dict(model_type="blip_vision_model", dropout=0.0, image_size=size, patch_size=14 if odd else 8) | (f.widths(24, 3, 32, 3) if odd else f.widths(18, 3, 24, 2))
    f.dump(folder / "generation_config.json", {"_from_model_config": True, "bos_token_id": n, "eos_token_id": 2, "pad_token_id": 0})
    config = dict(model_type="blip", image_text_hidden_size=8, logit_scale_init_value=2.6592, projection_dim=512, text_config=text, vision_config=vision)
    model = f.publish(folder, BlipForConditionalGeneration, config, a, sep, complete=odd, without=() if odd else ("predictions.decoder.weight", "predictions.decoder.bias"))
    p = f.preprocessor(folder, "Blip", size, do_pad=True, size_divisor=32, processor_class="BlipProcessor")
    pixels = f.pixel_values(f.images(ref, a), p, folder, a)
    seen, layers = model.vision_model(pixel_values=pixels).last_hidden_state, model.text_decoder.bert.encoder.layer
    theirs = torch.tensor(BertTokenizer.from_pretrained(folder)("a picture of").input_ids)[None]
    start = [n] + literal.encode("a picture of", add_special_tokens=False).ids
    assert theirs[0, 1:-1].tolist() == start[1:]
    f.dump(ref / "prompt.json", {"prompt": "a picture of", "ids": start})

    class Connector(torch.nn.Module):
        """Keys, then values, of each layer in turn."""
        def __init__(self):
            super().__init__()
            self.parts = torch.nn.ModuleList([part for layer in layers for part in (layer.crossattention.self.key, layer.crossattention.self.value)])
        def forward(self, x):
            return torch.cat([part(x).flatten(0, 1) for part in self.parts])

    connector, usable = Connector(), sorted(i for t, i in literal.get_vocab().items() if t[0] != "[")
    decode = lambda ids: literal.decode(ids, skip_special_tokens=True)
    captions = f.draw_captions(ref, a.seed, lambda t: literal.encode(t, add_special_tokens=False).ids, decode, usable, sep)
    def logits_after(begin):
        return lambda i, t: model(pixel_values=pixels[i][None], input_ids=torch.tensor([begin + t[:-1]])).logits[0, len(begin) - 1:]
    logits = logits_after(start)
    with torch.no_grad():
        logp = torch.cat([f.token_logp(logits(i % f.IMAGES, t), t) for i, t in enumerate(captions)])
        f.save(ref / "forward.safetensors", {"pixel_values": pixels, "connector": connector(seen), "logp": logp})
        f.generation(ref, lambda i, **o: (model.generate(pixel_values=pixels[i][None], **o), 1), logits_after([n]), decode, sep)
        (ref / "generate.jsonl").rename(ref / "generate-plain.jsonl")
        f.generation(ref, lambda i, **o: (model.generate(pixel_values=pixels[i][None], input_ids=theirs.clone(), **o), len(start)), logits, decode, sep)
    with torch.enable_grad():
        f.policy(a, ref, model, model.text_decoder.bert, connector, captions, logits)
