#!/usr/bin/env python3
"""Flips one bit of a parameter in the memory of a process: flip.py PID FILE.safetensors, whose last tensor it finds there by its bytes."""
import json
import struct
import sys

pid, path = sys.argv[1:]
with open(path, "rb") as f:
    data = f.read()
(size,) = struct.unpack("<Q", data[:8])
tensors = json.loads(data[8 : 8 + size])
begin, end = max(((t["data_offsets"] for n, t in tensors.items() if n != "__metadata__")), key=lambda o: o[1] - o[0])
pattern = data[8 + size + begin : 8 + size + min(end, begin + 256)]
assert len(set(pattern)) > 32, "too plain to be found by its bytes"
found = 0
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
    for line in maps:
        span, rights = line.split()[:2]
        first, last = (int(x, 16) for x in span.split("-"))
        if not rights.startswith("rw") or "[v" in line:
            continue
        memory.seek(first)
        try:
            block = memory.read(last - first)
        except OSError:
            continue
        at = block.find(pattern)
        while at >= 0:
            memory.seek(first + at + 2)
            memory.write(bytes([pattern[2] ^ 0x10]))
            found += 1
            at = block.find(pattern, at + 1)
if found == 0:
    sys.exit("not found")
