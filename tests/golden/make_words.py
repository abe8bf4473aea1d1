#!/usr/bin/env python3
"""Writes what the oracle's word rules (Rules of ../shared/oracle/vlrm_torch.py) make of random captions.

    python3 tests/golden/make_words.py > tests/golden/words.jsonl
    python3 tests/golden/make_words.py --vocabulary DIR --captions 50000 --seed 7 > OUT      # a larger comparison
    test_words DIR OUT

A line {"phrases": [..], "exempt": [..]} sets the lists of the lines after it; a line {"ids", "text", "bad", "repeat"} is a caption.
Needs the oracle's Python (../shared/oracle/README.md).
"""
import argparse, json, pathlib, random, sys
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "shared/oracle"))
from vlrm_torch import ByteBPE, Rules

WORDS = ["a", "an", "image", "of", "is", "talking", "about", "clip", "tv", "the", "shown", "red", "shirt", "car", "it's", "x-ray", "fish", "Fish", "k", "s", "stra\u00dfe", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "i", "I", "\u0131", "\u0130", "\u212belvin", "\ufb01n",
         "1993", "90", "2024-11", "cafe\u0301", "caf\u00e9", "d'\u00e9t\u00e9", "\u1e9e", "\u01c6", "\u732b", "rock'n'roll", "\U00010428", "\u0663\u0664", "\u0345", "i\u0307"]
SPACES = [" ", " ", " ", " ", "  ", "\n", "\t ", "\u00a0", "\u3000", "\x1c", "-", "'", "\u2019", ", ", ".", "", "\u0301", "\u200b", "_"]
TWINS = {"i": "I\u0131\u0130i", "I": "i\u0131\u0130", "s": "S\u017f", "k": "K\u212a", "\u03c3": "\u03a3\u03c2", "\u00df": "\u1e9e\U0001df95", "'": "\u2019", "\u2019": "'", "\u00e5": "\u212b\u00c5", "\u03bc": "\u00b5", "\u01c6": "\u01c4\u01c5"}


def twist(r, s, often):
    """Another spelling that may or may not be equal."""
    return "".join(c if r.randrange(100) >= often else r.choice(TWINS[c]) if c in TWINS else r.choice([c.upper(), c.lower(), c.title(), c.swapcase(), c]) for c in s)


def phrase(r):
    while True:
        p = "".join(r.choice(WORDS) + r.choice(SPACES[:11] + ["-", "'", ", "]) for _ in range(r.randrange(1, 4)))
        p = twist(r, p if r.random() < 0.2 else p.strip(" ,"), 10)
        p = " ".join(p.split())
        if p:
            return p


def caption(r, phrases):
    parts = []
    for _ in range(r.randrange(1, 10)):
        parts.append(twist(r, r.choice(phrases), 8) if r.random() < 0.4 else twist(r, r.choice(WORDS), 10))
        parts.append(r.choice(SPACES))
    return "".join(parts)


def draw_ids(r, tok, phrases):
    ids = tok.encode(caption(r, phrases))
    for _ in range(r.choice([0, 0, 0, 1, 3])):                       # any token anywhere: broken UTF-8, special ids, eos, ids of no piece
        ids.insert(r.randrange(len(ids) + 1), r.choice([r.randrange(len(tok.vocab) + 8), r.randrange(4), tok.eos]))
    return ids + [tok.eos] * r.randrange(2)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--vocabulary", type=pathlib.Path, default=HERE / "tokenizers/opt")
    ap.add_argument("--captions", type=int, default=400); ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    tok, r = ByteBPE(a.vocabulary), random.Random(a.seed)
    for k in range(a.captions):
        if k % 40 == 0:
            phrases, exempt = [phrase(r) for _ in range(r.randrange(1, 30))], [twist(r, w, 10) for w in r.sample(WORDS, 6)]
            rules = Rules(phrases, exempt)
            print(json.dumps({"phrases": phrases, "exempt": exempt}))
        ids = draw_ids(r, tok, phrases)
        text, decoded = tok.decode(ids)
        bad, repeat = rules(decoded)
        print(json.dumps({"ids": ids, "text": text, "bad": bad, "repeat": repeat}, separators=(",", ":")))


if __name__ == "__main__":
    main()
