#!/usr/bin/env python3
"""Writes the fixtures of the caption metrics, by the programs that the field measures with.

    python3 tests/golden/metrics/make.py [KIND TEXTS [SEED]]

    ptb.jsonl       {"text", "tokens"}: texts and what pycocoevalcap's PTBTokenizer makes of them. A text's tokens are its own
                    (lib/text/ptb/ptb.h says where pycocoevalcap looks on to the next): an x stands between two
    captions.jsonl  records with a caption and frame.references
    scores.json     pycocoevalcap's BLEU, ROUGE-L and CIDEr of them, aac-metrics' CIDEr-D: of the set, and per image where there is such

Of what KIND of texts.py, or all, and how many TEXTS ptb.jsonl has: all 2200 as committed. tests/unit/test_ptb.c compares what it finds there,
so to compare more: make.py addresses 100000 7, then the test, then git checkout ptb.jsonl. Needs Java, pycocoevalcap 1.2, aac-metrics 0.6 (pip)
and the list of words that texts.py names. Tests need none of them.
"""

import contextlib, json, os, random, sys, types

import texts
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

# aac-metrics' CIDEr-D alone: the package as a whole asks for models that are not needed here.
for name in ("aac_metrics", "aac_metrics.functional"):
    package = types.ModuleType(name)
    package.__path__ = [os.path.join(p, *name.split(".")) for p in sys.path]
    sys.modules[name] = package
from aac_metrics.functional.cider_d import cider_d

HERE = os.path.dirname(os.path.abspath(__file__))
ADJECTIVES = "small large red black-and-white old shiny two-toned wet wooden".split()
NOUNS = "dog cat man woman U.S. flag T-shirt pizza bus bench kite surfboard frisbee clock tower giraffe".split()
VERBS = "sits on|is standing next to|isn't near|runs past|looks at|holds|can't reach|'s eating".split("|")
ENDS = ["", ".", " .", "!", ", in the park.", " (outside)", " at 10:30 a.m.", ' "again"', "..."]


def sentence(r):
    text = f"{r.choice(['A', 'The', 'a', 'Two'])} {r.choice(ADJECTIVES)} {r.choice(NOUNS)} {r.choice(VERBS)} a {r.choice(NOUNS)}"
    if r.random() < 0.4:
        text += f" and a {r.choice(ADJECTIVES)} {r.choice(NOUNS)}"
    return text + r.choice(ENDS)


def near(r, text):
    """The sentence with some words changed, so that there are long n-grams in common."""
    words = text.split()
    for _ in range(r.randint(0, 3)):
        words[r.randrange(len(words))] = r.choice(NOUNS + ADJECTIVES)
    return " ".join(words)


def tokens_of(tokenizer, lines):
    """The texts that can be compared, and their tokens. One that takes the next line as its own (an open <a b='..) is left out."""
    tokens = tokenizer.tokenize({i: [{"caption": t}, {"caption": "x"}] for i, t in enumerate(lines)})
    aligned = len(tokens) == len(lines) and all(v[1:] == ["x"] for v in tokens.values())
    if aligned:
        return lines, [tokens[i][0] for i in range(len(lines))]
    if len(lines) == 1:
        return [], []
    halves = [tokens_of(tokenizer, part) for part in (lines[: len(lines) // 2], lines[len(lines) // 2 :])]
    return [t for half in halves for t in half[0]], [t for half in halves for t in half[1]]


def main():
    r = random.Random(29)
    tokenizer = PTBTokenizer()
    kind, n, seed = (sys.argv[1:] + ["all", "2200", "29"][len(sys.argv) - 1 :])[:3]
    with open(os.path.join(HERE, "ptb.jsonl"), "w") as f:
        for t, tokens in zip(*tokens_of(tokenizer, texts.texts(kind, int(seed), int(n)))):
            print(json.dumps({"text": t, "tokens": tokens}, ensure_ascii=False), file=f)

    captions, references = {}, {}
    for i in range(40):
        key = f"{i:04}"
        seed = sentence(r)
        references[key] = [near(r, seed) if r.random() < 0.7 else sentence(r) for _ in range(1 if i == 7 else r.randint(2, 5))]
        captions[key] = ["" if i == 3 else near(r, seed) if i % 5 else sentence(r)]
    captions["0011"] = ["Call (212) 555-1234 or 1 1/2 dogs"]
    references["0011"] = ["call (212) 555-1234 , or 1 1/2 dogs", "Call (212) 555 for 2 1/2 dogs."]
    with open(os.path.join(HERE, "captions.jsonl"), "w") as f:
        for key in captions:
            print(json.dumps({"id": key, "frame": {"references": references[key]}, "caption": {"text": captions[key][0]}}), file=f)
    wrap = lambda d: {k: [{"caption": c} for c in v] for k, v in d.items()}
    gts, res = tokenizer.tokenize(wrap(references)), tokenizer.tokenize(wrap(captions))
    with contextlib.redirect_stdout(sys.stderr):
        bleu, _ = Bleu(4).compute_score(gts, res)
    rouge, rouges = Rouge().compute_score(gts, res)
    cider, ciders = Cider().compute_score(gts, res)
    both, each = cider_d([res[k][0] for k in res], [gts[k] for k in res])
    with open(os.path.join(HERE, "scores.json"), "w") as f:
        json.dump(
            {
                "bleu": bleu,
                "rouge_l": float(rouge),
                "cider": float(cider),
                "cider_d": float(both["cider_d"]),
                "each": {
                    "rouge_l": list(map(float, rouges)),
                    "cider": list(map(float, ciders)),
                    "cider_d": list(map(float, each["cider_d"])),
                },
            },
            f,
            indent=1,
        )


main()
