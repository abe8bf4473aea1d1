#!/usr/bin/env python3
"""A SigLIP 2 of square images with what transformers computes of it in float64, for test_scorer.c and scorer-kinds.bats.

    make_siglip2.py ORACLE OUT [LOWER]    ORACLE: the folder of families.py; LOWER gets the tokenizer as Siglip2Tokenizer saves it, for make_tokenizers_families.py

SigLIP's network with bilinear pixels, and Gemma's tokenizer (BPE of characters with bytes behind it, nothing in front, <eos> behind, <pad> after),
trained here on the oracle's corpus; texts are lower-cased, as the model was trained and as transformers' Siglip2Tokenizer does. OUT gets the
checkpoint, parity.safetensors, images and captions.jsonl as make_siglip.py's.
"""
import argparse, json, pathlib, shutil, sys
sys.modules["torchvision"] = None  # or transformers takes its resizing
sys.path.insert(0, sys.argv[1])
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, processors
from transformers import SiglipModel
from transformers.models.siglip2.tokenization_siglip2 import Siglip2Tokenizer
from transformers.models.gemma.tokenization_gemma import GemmaTokenizer
import families
import families_tokenizers as ft

folder, a = pathlib.Path(sys.argv[2]), argparse.Namespace(seed=5, dtype="float64", images=None)
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)


def train():
    """Vocabulary and merges as a converter takes them out of a SentencePiece model; <mask>, line ends and <table> are tokens of their own, as Gemma's."""
    sp, _ = ft.train_sentencepiece(folder / "gemma.model", "bpe", [t.lower() for t in ft.corpus(a.seed)], 480, byte_fallback=True, split_digits=True, add_dummy_prefix=False,
                                   normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, pad_id=0, eos_id=1, bos_id=2, unk_id=3,
                                   pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>", unk_piece="<unk>", user_defined_symbols=["<mask>", "\n", "\n\n", "▁▁", "<table>"])
    (folder / "gemma.model").unlink()
    vocab = {sp.id_to_piece(i): i for i in range(sp.get_piece_size())}
    merges = [((sp.get_score(i), k, len(p) - k), (p[:k], p[k:])) for p, i in vocab.items() if i > 264 for k in range(1, len(p)) if p[:k] in vocab and p[k:] in vocab]
    return vocab, [m for _, m in sorted(merges, key=lambda m: m[0], reverse=True)]


vocab, merges = train()
lower, plain = Siglip2Tokenizer(vocab=vocab, merges=merges), GemmaTokenizer(vocab=vocab, merges=merges)
template = processors.TemplateProcessing(single="$A <eos>", pair="$A <eos> $B <eos>", special_tokens=[("<eos>", 1)])
j = json.loads(plain.backend_tokenizer.to_str()) | {"post_processor": json.loads(template.__getstate__())}
j["added_tokens"] = [ft.added(i, t) for i, t in enumerate(("<pad>", "<eos>", "<bos>", "<unk>"))] + [ft.added(vocab[t], t) | {"special": False} for t in ("<mask>", "\n", "\n\n", "▁▁", "<table>")]
ft.dump(folder / "tokenizer.json", j)
ft.dump(folder / "tokenizer_config.json", {"tokenizer_class": "GemmaTokenizer", "add_bos_token": False, "add_eos_token": True, "do_lower_case": True, "padding_side": "right",
                                           "model_max_length": 64, "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"})
literal = Tokenizer.from_str(json.dumps(j | {"normalizer": json.loads(lower.backend_tokenizer.to_str())["normalizer"]}))
literal.encode_special_tokens = True
if len(sys.argv) > 3:
    pathlib.Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
    literal.save(sys.argv[3] + "/tokenizer.json")

text = dict(model_type="siglip_text_model", vocab_size=len(vocab), projection_size=36) | families.widths(24, 2, 40, 2)
vision = dict(model_type="siglip_vision_model", image_size=30, patch_size=8) | families.widths(36, 3, 48, 2)
families.float64_in_earnest()
with torch.no_grad():
    model = families.publish(folder, SiglipModel, dict(model_type="siglip", initializer_factor=1.0, text_config=text, vision_config=vision), a)
    p = families.preprocessor(folder, "Siglip", 30, resample=2, processor_class="SiglipProcessor")
    pixels = families.pixel_values(families.images(folder, a), p, folder, a).float()
    rows = ft.texts(a.seed, 20) + ["A Table: <table>\n\nand two  spaces", "ÀÉÎ İstanbul ΣΑΣ <eos> <mask>"]
    ids = [(ft.cut(literal.encode(t).ids, 64) + [0] * 64)[:64] for t in rows]
    image = F.normalize(model.vision_model(pixel_values=pixels.double()).pooler_output, dim=-1)
    rows_of_texts = F.normalize(model.text_model(input_ids=torch.tensor(ids)).pooler_output, dim=-1)
save_file({"pixels": pixels.contiguous(), "ids": torch.tensor(sum(ids, [])), "ids.counts": torch.tensor([len(i) for i in ids]), "image": image, "text": rows_of_texts}, folder / "parity.safetensors")
with open(folder / "captions.jsonl", "w") as f:
    for i, t in enumerate(rows):
        f.write(json.dumps({"id": f"{i:04d}", "frame": {"path": f"images/{i % 6:04d}.png"}, "caption": {"text": t}, "cosine": float(image[i % 6] @ rows_of_texts[i])}) + "\n")
