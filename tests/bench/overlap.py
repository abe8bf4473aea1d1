#!/usr/bin/env python3
"""Lines of JSON for tests/bench/overlap.sh: N records with a caption and five references of made-up sentences."""
import json, random, sys

r = random.Random(1)
words = [f"w{i}" for i in range(3000)] + "a the of on in with and man dog red blue street sitting standing".split() * 200
for i in range(int(sys.argv[1])):
    seed = [r.choice(words) for _ in range(r.randint(8, 14))]
    near = lambda: " ".join(w if r.random() < 0.6 else r.choice(words) for w in seed).capitalize() + "."
    print(json.dumps({"id": f"{i:06}", "frame": {"references": [near() for _ in range(5)]}, "caption": {"text": near()}}))
