#!/usr/bin/env python3
"""The update's probabilities are those that captions were drawn with: probabilities.py STEP.safetensors LOGP LEAST

STEP.safetensors: of vlrm-update --dump. LOGP: a line of JSON for each caption, the log-probabilities of its tokens. There are more than LEAST tokens.
"""
import array, json, math, struct, sys

with open(sys.argv[1], "rb") as f:
    header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    begin, end = header["p"]["data_offsets"]
    f.seek(begin, 1)
    p = array.array("d" if header["p"]["dtype"] == "F64" else "f", f.read(end - begin))
logp = [x for line in open(sys.argv[2]) for x in json.loads(line)]
assert len(p) == len(logp) > int(sys.argv[3]) and all(abs(math.log(a) - b) < 1e-4 for a, b in zip(p, logp)), max(abs(math.log(a) - b) for a, b in zip(p, logp))
