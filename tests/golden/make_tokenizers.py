#!/usr/bin/env python3
"""Writes what Hugging Face's tokenizers make of hard strings and of random ids.

    python3 tests/golden/make_tokenizers.py                            # tests/golden/tokenizers, vocabularies included
    python3 tests/golden/make_tokenizers.py --vocabularies DIR --out OUT --strings 20000 --seed 7     # a larger comparison

Then `test_tokenizer FOLDER FILE` compares one. Needs the oracle's Python (../shared/oracle/README.md); the small vocabularies are
those of its checkpoints.py. A line is {"text", "ids", "offsets" (bytes), "chars" (characters, left out where the text is ASCII), "decoded"}, with "ids_special"
for BERT cut to 32 and CLIP cut to 77, and with the same keys plus "_plain" where taking added tokens literally differs;
or {"decode": ids, "decoded": text}.
"""
import argparse, json, os, pathlib, random, sys
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
from transformers import AddedToken, BertTokenizer, CLIPTokenizer, GPT2Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = {"bert": 32, "clip": 77}
HARD = ["", " ", "  ", "a", " a  cat\n\n", "a red circle stands a blue square", "An IMAGE of a star!", "it's, don't we'll IT'S 'sam's ''s", "in 1993 and 12a3",
        "caf\u00e9 cafe\u0301 na\u00efve", "\u0130stanbul \u0131", "a\u0323\u0307 a\u0307\u0323 q\u0323\u0307", "\u212b\u2126 \u1e9b\u0323", "\ud55c\uad6d \u1112\u1161\u11ab", "\u732b\u304c sits", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "a\u0000b\u000bc\u0085d", "a\u00a0\u202f b\u3000", "</s>", "a</s>b <pad> <s> <unk>", "[SEP] a [MASK] b[CLS]", "<|startoftext|>a<|endoftext|>!", "a<|ENDOFTEXT|>!", "!<|endoftext|>!", "<|endoftext|><|EndOfText|>|>", "'s<|ENDoftext|>'s",
        "x" * 100, "x" * 101, "\u00e9" * 101, "the" * 40, "a dog " * 40, "\ufffd\ufffe\U0010ffff", "\u0e41\u0e21\u0e27 \u05e9\u05c1\u05b8\u05dc", "\u00bd \u00b2 \u2167 \u0663", "a_b__c--d", "\u200b\ufeff\u00ad", "##ing </w> \u0120the"]
RANGES = [(0x61, 0x7B)] * 6 + [(0x20, 0x7F)] * 4 + [(0x30, 0x3A), (0x21, 0x30), (0, 0x21), (0x80, 0x100), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE00), (0xE00, 0x1000),
          (0x10A0, 0x1200), (0x1AB0, 0x1B00), (0x1DC0, 0x2000), (0x2000, 0x2070), (0x2070, 0x2C00), (0x2E00, 0x3400), (0x4E00, 0xA000), (0xA000, 0xAC00), (0xAC00, 0xD7A4), (0xE000, 0xF900), (0xF900, 0x10000),
          (0x10000, 0x11000), (0x11000, 0x12000), (0x16000, 0x17000), (0x1D000, 0x1E000), (0x1E000, 0x1F000), (0x1F000, 0x1FB00), (0x20000, 0x32400), (0xE0000, 0xE0200)]
JOINTS = [" ", " ", "  ", "\n", "'", "'s", "'ll", "\u2019", "-", "\u0301", "\u0323", "\u0307", "\u200d", "\u00a0", "\u0130", "</s>", "<|endoftext|>", "<|", "|>", "[SEP]", "<image>", "\u1100", "\u1161", "\u11a8", "the", " of"]


def random_text(r):
    ranges, joints = [r.choice(RANGES) for _ in range(r.randrange(1, 5))], r.randrange(0, 30)
    return "".join(r.choice(JOINTS) if r.randrange(100) < joints else chr(r.randrange(*r.choice(ranges))) for _ in range(r.randrange(1, 60)))


def open_tokenizers(folder, published):
    opt = GPT2Tokenizer(vocab=f"{folder}/opt/vocab.json", merges=f"{folder}/opt/merges.txt", unk_token="</s>", bos_token="</s>", eos_token="</s>",
                        pad_token="<pad>", add_prefix_space=False, add_bos_token=True)
    bert = BertTokenizer(vocab=f"{folder}/bert/vocab.txt", do_lower_case=True)
    clip = CLIPTokenizer(vocab=f"{folder}/clip/vocab.json", merges=f"{folder}/clip/merges.txt")
    if published:
        for t, names in (bert, ["[DEC]", "<image>"]), (opt, ["<image>"]):
            t.add_tokens([AddedToken(n, normalized=False, special=True) for n in names], special_tokens=True)
    return {"opt": opt, "bert": bert, "clip": clip}


def read(t, text, plain):
    e = t(text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=plain)
    at = [0]
    for c in text:
        at.append(at[-1] + len(c.encode()))
    return {"ids": e["input_ids"], "offsets": [[at[a], at[b]] for a, b in e["offset_mapping"]], "chars": [list(p) for p in e["offset_mapping"]],
            "decoded": decode(t, e["input_ids"])}


def decode(t, ids):
    return t.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def lines(kind, t, texts, r):
    for text in texts:
        record, plain = {"text": text} | read(t, text, False), read(t, text, True)
        if kind in LIMIT:
            record["ids_special"] = t(text, truncation=True, max_length=LIMIT[kind])["input_ids"]
        if any(record[k] != v for k, v in plain.items()):
            record |= {k + "_plain": v for k, v in plain.items()}
        yield {k: v for k, v in record.items() if not (k.startswith("chars") and text.isascii())}
    for _ in range(len(texts) // 4):
        ids = [r.randrange(len(t)) for _ in range(r.randrange(0, 20))]
        yield {"decode": ids, "decoded": decode(t, ids)}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--vocabularies", type=pathlib.Path); ap.add_argument("--out", type=pathlib.Path, default=HERE / "tokenizers")
    ap.add_argument("--strings", type=int, default=100); ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    if not a.vocabularies and not (a.out / "bert/vocab.txt").exists():   # not again: BERT's trainer breaks ties at random
        sys.path.insert(0, str(HERE.parents[2] / "shared/oracle"))
        from checkpoints import tiny_tokenizers
        tiny_tokenizers(a.out)
    r = random.Random(a.seed)
    texts = HARD + [random_text(r) for _ in range(a.strings)]
    for kind, t in open_tokenizers(a.vocabularies or a.out, a.vocabularies).items():
        (a.out / f"{kind}.jsonl").write_text("".join(json.dumps(x, separators=(",", ":")) + "\n" for x in lines(kind, t, texts, r)))


if __name__ == "__main__":
    main()
