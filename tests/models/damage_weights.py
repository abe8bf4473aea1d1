#!/usr/bin/env python3
"""Puts a NaN among a tensor's f32 numbers, as a damaged file has them: damage_weights.py MODEL.safetensors NAME"""
import json, struct, sys

path, name = sys.argv[1:]
with open(path, "r+b") as f:
    size = struct.unpack("<Q", f.read(8))[0]
    tensor = json.loads(f.read(size))[name]
    assert tensor["dtype"] == "F32"
    f.seek(8 + size + tensor["data_offsets"][0] + 4)
    f.write(struct.pack("<f", float("nan")))
