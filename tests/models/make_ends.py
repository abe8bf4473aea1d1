#!/usr/bin/env python3
"""What transformers makes where generation_config.json has several eos_token_id: any of them ends a caption. For tests/models/captioners.bats, in float64.

    make_ends.py ORACLE FIXTURE OUT

FIXTURE: a LLaVA of make_captioner.py's, with its images; ORACLE: the folder of families.py. OUT gets a line for each list of ends and image: greedy and
beam captions. The lists are words that the captions without them have, so that they end early. Run it by pillow_only.py.
"""
import json, pathlib, sys
import torch

oracle, fixture, out = map(pathlib.Path, sys.argv[1:])
sys.path.insert(0, str(oracle))
import families as f  # noqa: E402
from PIL import Image  # noqa: E402
from transformers import AutoImageProcessor, LlavaForConditionalGeneration  # noqa: E402

torch.set_num_threads(1)
f.float64_in_earnest()
folder = fixture / "model"
model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
processor = AutoImageProcessor.from_pretrained(folder)
start = json.loads((fixture / "prompt.json").read_text())["ids"]
usual = [json.loads(line) for line in (fixture / "generate.jsonl").read_text().splitlines()][:2]
at = lambda ids, k: ids[min(k, len(ids) - 1)]  # of a short caption its last
ends = [2] + [at(row[kind], k) for row in usual for kind in ("greedy", "beam") for k in (4, 5)]
rows = []
for eos in ([2, at(usual[0]["greedy"], 6)], sorted(set(ends))[:4], list(dict.fromkeys(ends))[:8]):
    for i in range(2):
        image = Image.open(fixture / f"images/{i:04d}.png").convert("RGB")
        pixels = processor(images=[image], return_tensors="pt")["pixel_values"].float().double()
        ids = torch.tensor([start])
        row = {"id": f"{i:04d}", "eos": eos}
        for kind, options in (("greedy", dict(max_new_tokens=20)), ("beam", f.BEAMS)):
            with torch.no_grad():
                row[kind] = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, do_sample=False, eos_token_id=eos, **options)[0].tolist()[len(start):]
        rows.append(row)
f.dump_lines(out, rows)
