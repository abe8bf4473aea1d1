#!/usr/bin/env python3
"""Runs a script as if torchvision were not installed: pillow_only.py SCRIPT [ARGUMENT...]. The oracle's families.py wants Pillow's
resizing of transformers, which takes torchvision's where it is there; open_clip_torch brings it."""
import pathlib, runpy, sys

sys.modules["torchvision"] = None
sys.argv = sys.argv[1:]
sys.path.insert(0, str(pathlib.Path(sys.argv[0]).resolve().parent))
runpy.run_path(sys.argv[0], run_name="__main__")
