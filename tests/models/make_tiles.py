#!/usr/bin/env python3
"""What transformers makes of pictures that SmolVLM's processor cuts (do_image_splitting), for tests/models/tiles.bats, in float64.

    make_tiles.py ORACLE FIXTURE OUT [--across 2 3] [--images N] [--seed N]

FIXTURE: a folder of make_captioner.py's, whose model is used; ORACLE: the folder of families.py. OUT gets images/ and generate.jsonl: for each picture and
--across its grid, the prompt's ids, greedy and beam captions and their log-probabilities. Run it by pillow_only.py.
"""
import argparse, json, pathlib, random, sys
import torch

ap = argparse.ArgumentParser()
for name in ("oracle", "fixture", "out"):
    ap.add_argument(name, type=pathlib.Path)
ap.add_argument("--across", type=int, nargs="+", default=[2, 3])
ap.add_argument("--images", type=int, default=3)
ap.add_argument("--seed", type=int, default=1)
a = ap.parse_args()
sys.path.insert(0, str(a.oracle))
import families as f  # noqa: E402
from transformers import AutoImageProcessor, AutoTokenizer, Idefics3Processor, SmolVLMForConditionalGeneration  # noqa: E402

torch.set_num_threads(1)
f.float64_in_earnest()
folder = a.fixture / "model"
model = SmolVLMForConditionalGeneration.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
prompt = json.loads((a.fixture / "prompt.json").read_text())
side = model.config.vision_config.image_size
eos = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
(a.out / "images").mkdir(parents=True, exist_ok=True)
r, rows = random.Random(a.seed), []
shapes = [(61, 37), (29, 83), (50, 50)] + [(r.randrange(8, 120), r.randrange(8, 120)) for _ in range(a.images)]
for i, (w, h) in enumerate(shapes[:a.images]):
    im = f.draw_image(r, max(w, h)).crop((0, 0, w, h))
    im.save(a.out / f"images/{i:04d}.png")
    for across in a.across:
        parts = AutoImageProcessor.from_pretrained(folder, do_image_splitting=True, size={"longest_edge": across * side}), AutoTokenizer.from_pretrained(folder)
        seq = (side // model.config.vision_config.patch_size // model.config.scale_factor) ** 2
        processor = Idefics3Processor(*parts, seq, chat_template=f.CHAT)
        inputs = processor(text=prompt["text"], images=[im], return_tensors="pt")
        grid = parts[0]([[im]], return_row_col_info=True)
        start = inputs["input_ids"][0].tolist()
        inputs = dict(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], pixel_values=inputs["pixel_values"].float().double(),
                      pixel_attention_mask=inputs["pixel_attention_mask"])
        row = {"id": f"{i:04d}", "across": across, "tiles": [int(grid["rows"][0][0]), int(grid["cols"][0][0])], "prompt": start}
        assert inputs["pixel_values"].shape[1] == row["tiles"][0] * row["tiles"][1] + 1 and inputs["pixel_attention_mask"].all()
        for kind, options in (("greedy", dict(max_new_tokens=12)), ("beam", f.BEAMS)):
            with torch.no_grad():
                ids = model.generate(**inputs, do_sample=False, **options)[0].tolist()[len(start):]
                whole = inputs | dict(input_ids=torch.tensor([start + ids[:-1]]), attention_mask=torch.ones(1, len(start) + len(ids) - 1, dtype=torch.long))
                z = model(**whole).logits[0, len(start) - 1:]
            row |= {kind: ids, kind + "_logp": f.token_logp(z, ids).sum().item()}
        rows.append(row)
f.dump_lines(a.out / "generate.jsonl", rows)
