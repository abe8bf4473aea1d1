"""Compares tensors of two safetensors files (F32, F64), without numpy.

    compare_safetensors.py FOUND EXPECTED --tolerance T [--only REGEX] [--skip REGEX]

For every tensor of EXPECTED: |found - expected| <= T (|expected| + 1e-6 G) in L2, G the norm over all tensors compared (a true
zero, such as the gradient of a key bias, is rounding noise on both sides). Prints the worst and what fails; exit 1 if any fails or
none was compared.
"""
import argparse, array, json, math, re, struct, sys


def load(path):
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, t in json.loads(data[8 : 8 + n]).items():
        if name != "__metadata__" and t["dtype"] in ("F32", "F64"):
            a, b = t["data_offsets"]
            out[name] = array.array("f" if t["dtype"] == "F32" else "d", data[8 + n + a : 8 + n + b])
    return out


ap = argparse.ArgumentParser()
ap.add_argument("found"); ap.add_argument("expected"); ap.add_argument("--tolerance", type=float, required=True)
ap.add_argument("--only", default=""); ap.add_argument("--skip", default="(?!)")
a = ap.parse_args()
found, expected = load(a.found), {n: t for n, t in load(a.expected).items() if re.search(a.only, n) and not re.search(a.skip, n)}
norm = lambda x: math.sqrt(sum(v * v for v in x))
overall, worst, failures = norm([norm(t) for t in expected.values()]), (0, "none"), 0
for name, t in sorted(expected.items()):
    if name not in found or len(found[name]) != len(t):
        print(f"{name}: {'missing' if name not in found else 'another size'}"); failures += 1; continue
    error = norm([x - y for x, y in zip(found[name], t)]) / (norm(t) + 1e-6 * overall + 1e-300)
    worst = max(worst, (error, name))
    if not error <= a.tolerance:
        print(f"{name}: relative error {error:.3g}, tolerance {a.tolerance:g}"); failures += 1
print(f"{len(expected)} tensors compared, worst {worst[0]:.3g} ({worst[1]})")
sys.exit(failures > 0 or not expected)
