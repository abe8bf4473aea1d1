"""InstructBLIP for make_captioner.py, from the parts of ../shared/oracle/families.py: called as its families are."""
import torch
import families as f
import families_tokenizers as tokenizers_of
from transformers import BertTokenizer, InstructBlipForConditionalGeneration


def instructblip(a, folder, ref, odd):
    literal, marked = tokenizers_of.llama2(folder, a.seed, ("<image>", "<pad>"))
    (folder / "qformer_tokenizer").mkdir()
    words, _ = tokenizers_of.words(folder / "qformer_tokenizer", a.seed, "bert", 512, None)
    image, eos, queries, size = literal.token_to_id("<image>"), 2, 5 if odd else 4, 42 if odd else 28
    rows = -(-(image + 2) // 64) * 64
    text = dict(model_type="llama", architectures=["LlamaForCausalLM"], max_position_embeddings=2048, rms_norm_eps=1e-6, vocab_size=rows, bos_token_id=1, eos_token_id=2)
    text |= f.widths(42, 6, 70, 3) | dict(num_key_value_heads=2, head_dim=10) if odd else f.widths(32, 4, 48, 2)
    vision = dict(model_type="instructblip_vision_model", image_size=size, patch_size=14, qkv_bias=True) | (f.widths(54, 3, 70, 3) if odd else f.widths(32, 2, 64, 2))
    qformer = dict(model_type="instructblip_qformer", encoder_hidden_size=vision["hidden_size"], cross_attention_frequency=2, vocab_size=words.get_vocab_size(), max_position_embeddings=64)
    qformer |= f.widths(36, 3, 52, 5) if odd else f.widths(24, 2, 48, 2)
    f.dump(folder / "generation_config.json", {"_from_model_config": True, "bos_token_id": 1, "eos_token_id": eos, "pad_token_id": image + 1})
    config = dict(model_type="instructblip", num_query_tokens=queries, image_token_index=image, tie_word_embeddings=False, use_decoder_only_language_model=True,
                  text_config=text, vision_config=vision, qformer_config=qformer)
    model = f.publish(folder, InstructBlipForConditionalGeneration, config, a, eos, mute=[0, 1, *range(image, rows)], complete=odd)
    p = f.preprocessor(folder, "Blip", size, processor_class="InstructBlipProcessor")
    lm, encode = model.language_model.model, lambda t: literal.encode(t, add_special_tokens=False).ids
    asked = torch.tensor([words.encode(a.prompt).ids])
    start = [image] * queries + marked.encode(a.prompt).ids                                       # the image's rows before <s>
    f.dump(ref / "prompt.json", {"prompt": a.prompt, "ids": start, "request": asked[0].tolist()})
    theirs = BertTokenizer.from_pretrained(folder / "qformer_tokenizer")
    assert theirs(a.prompt).input_ids == asked[0].tolist()

    class Connector(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.qformer, self.projection = model.query_tokens, model.qformer, model.language_projection
        def forward(self, seen):
            x = self.qformer(input_ids=asked.expand(len(seen), -1), attention_mask=torch.ones(len(seen), queries + asked.shape[1]), encoder_hidden_states=seen,
                             query_embeds=self.query.expand(len(seen), -1, -1)).last_hidden_state
            return self.projection(x[:, :queries])

    connector, pixels = Connector(), f.pixel_values(f.images(ref, a), p, folder, a)
    usable = sorted(set(range(literal.get_vocab_size())) - {0, 1, 2, image, image + 1})
    decode = lambda ids: literal.decode(ids, skip_special_tokens=True).strip()
    captions = f.draw_captions(ref, a.seed, encode, decode, usable, eos)
    seen = model.vision_model(pixel_values=pixels).last_hidden_state
    at = torch.tensor(start) == image

    def inputs(i):
        ids = torch.tensor([start])
        return dict(input_ids=ids, attention_mask=torch.ones_like(ids), qformer_input_ids=asked, qformer_attention_mask=torch.ones_like(asked), pixel_values=pixels[i][None])
    def logits(i, tokens):
        x = lm.embed_tokens(torch.tensor(start + tokens[:-1])).masked_scatter(torch.nn.functional.pad(at, (0, len(tokens) - 1))[:, None], connector(seen[i][None])[0])
        return model.language_model(inputs_embeds=x[None]).logits[0, len(start) - 1:]
    with torch.no_grad():
        for i, t in enumerate(captions):                                                          # the second way: all by the library
            whole = inputs(i % f.IMAGES)
            whole["input_ids"] = torch.tensor([start + t[:-1]]); whole["attention_mask"] = torch.ones_like(whole["input_ids"])
            f.near(model(**whole).logits[0, len(start) - 1:], logits(i % f.IMAGES, t), "whole model")
        logp = torch.cat([f.token_logp(logits(i % f.IMAGES, t), t) for i, t in enumerate(captions)])
        f.save(ref / "forward.safetensors", {"pixel_values": pixels, "vision": seen, "connector": connector(seen), "logp": logp})
        f.generation(ref, lambda i, **o: (model.generate(**inputs(i), **o), len(start)), logits, decode, eos)
    with torch.enable_grad():
        f.policy(a, ref, model, lm, connector, captions, logits)
