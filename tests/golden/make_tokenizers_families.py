#!/usr/bin/env python3
"""Writes what Hugging Face's tokenizers make of hard strings and of random ids, for vocabularies that have a tokenizer.json.

    make_tokenizers_families.py NAME=FOLDER... [--strings N] [--seed S] [--out DIR]

Each FOLDER's tokenizer.json is read by the tokenizers library itself. OUT/NAME gets the files, OUT/NAME.jsonl lines as those of
make_tokenizers.py. Needs the oracle's Python (../shared/oracle/README.md).
"""
import argparse, json, pathlib, random, shutil
from tokenizers import Tokenizer
import make_tokenizers as base

MORE = ["IT'S it'S 'LL 'Ve \u02bcs '\u017f '\u017fa", "abc123456 7 \u0661\u0662\u0663\u0664 x\u00b2", "a\r\nb\n\n c \n  d\t\n", "  leading", "trailing  ", "\u2581a \u2581", " \u2581b", "end.\n\n!", "!!\r\n??  x",
        "\t\ttabs", "a\u3000b\u00a0c", "in 1993 12a3", "<0x0A> <0x41>", "\U0001f600\u732b\u043a", "_a_ -b- (c)d", "caf\u00e9 cafe\u0301"]


def read(t, text, literal):
    t.encode_special_tokens = literal
    e = t.encode(text, add_special_tokens=False)
    at = [0]
    for c in text:
        at.append(at[-1] + len(c.encode()))
    return {"ids": e.ids, "offsets": [[at[a], at[b]] for a, b in e.offsets], "chars": [list(p) for p in e.offsets], "decoded": t.decode(e.ids)}


def lines(t, texts, r):
    for text in texts:
        record, plain = {"text": text} | read(t, text, False), read(t, text, True)
        if any(record[k] != v for k, v in plain.items()):
            record |= {k + "_plain": v for k, v in plain.items()}
        yield {k: v for k, v in record.items() if not (k.startswith("chars") and text.isascii())}
    for _ in range(len(texts) // 4):
        ids = [r.randrange(t.get_vocab_size()) for _ in range(r.randrange(0, 20))]
        yield {"decode": ids, "decoded": t.decode(ids)}


ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("folders", nargs="+"); ap.add_argument("--out", type=pathlib.Path, default=base.HERE / "tokenizers")
ap.add_argument("--strings", type=int, default=60); ap.add_argument("--seed", type=int, default=1)
a = ap.parse_args()
for given in a.folders:
    name, folder = given.split("=", 1)
    r, out = random.Random(a.seed), a.out / name
    out.mkdir(parents=True, exist_ok=True)
    for file in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model"):
        if (pathlib.Path(folder) / file).exists():
            shutil.copy(pathlib.Path(folder) / file, out / file)
    t = Tokenizer.from_file(str(out / "tokenizer.json"))
    texts = base.HARD + MORE + [base.random_text(r) for _ in range(a.strings)]
    with open(a.out / (name + ".jsonl"), "w") as f:
        for line in lines(t, texts, r):
            f.write(json.dumps(line) + "\n")
