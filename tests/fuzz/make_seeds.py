#!/usr/bin/env python3
"""Makes the first seeds of the fuzzers, small files of every kind that is read: tests/fuzz/make_seeds.py. Needs ffmpeg, ImageMagick,
cwebp. Those that a search has added (tests/fuzz/run.sh NAME keep) and those that once were findings are kept as they are."""
import base64, gzip, io, json, os, pathlib, pickle, struct, subprocess, sys, tarfile, tempfile, types, zipfile, zlib

SEEDS = pathlib.Path(__file__).parent / "seeds"
ROOT = pathlib.Path(__file__).parents[2]
TINY = ROOT / "share/tiny"


def seed(fuzzer, name, data):
    folder = SEEDS / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def parts(**files):
    """Files of one folder, as tests/fuzz/given.h takes them apart."""
    out = b""
    for name, data in files.items():
        data = data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)).encode()
        out += b"==== " + name.replace("__", ".").encode() + b"\n" + data + b"\n"
    return out


def safetensors(tensors, metadata=None):
    """{name: (dtype, shape, bytes)}"""
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


class Storage:
    pass


def torch_zip(tensors, byteorder=b"little", alignment=False):
    """What torch.save writes of {name: (storage class, shape, bytes)}, by hand: no torch is needed."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    rebuild = types.FunctionType((lambda *a: None).__code__, {}, "_rebuild_tensor_v2")
    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    sys.modules.update({"torch": torch, "torch._utils": utils})

    class Tensor:
        def __init__(self, storage, shape):
            self.storage, self.shape = storage, shape

        def __reduce__(self):
            strides, n = [], 1
            for side in reversed(self.shape):
                strides.insert(0, n)
                n *= side
            from collections import OrderedDict
            return rebuild, (self.storage, 0, tuple(self.shape), tuple(strides), False, OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return value.persistent if isinstance(value, Storage) else None

    state, files = {}, {}
    for i, (name, (kind, shape, values)) in enumerate(tensors.items()):
        cls = type(kind, (), {"__module__": "torch", "__qualname__": kind})
        setattr(torch, kind, cls)
        n = 1
        for side in shape:
            n *= side
        storage = Storage()
        storage.persistent = ("storage", cls, str(i), "cpu", n)
        state[name], files[f"archive/data/{i}"] = Tensor(storage, shape), values
    out = io.BytesIO()
    Pickler(out, 2).dump(state)
    text, whole = out.getvalue(), io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as z:
        for name, data in {"archive/data.pkl": text, "archive/byteorder": byteorder, **files, "archive/version": b"3\n"}.items():
            z.writestr(zipfile.ZipInfo(name), data)
    return text, whole.getvalue()


def checkpoints():
    floats = struct.pack("<6f", 0, 1, -1, 2.5, 1e-20, 3e38)
    a = safetensors({"a": ("F32", [2, 3], floats), "h": ("BF16", [2], b"\0\1\2\3")}, {"format": "pt"})
    b = safetensors({"b": ("F16", [1, 2], b"\0\x3c\0\xbc"), "n": ("I64", [], b"\7" + b"\0" * 7)})
    seed("safetensors", "two", a)
    seed("safetensors", "kinds", b)
    text, whole = torch_zip({"w": ("FloatStorage", [2, 3], floats), "b.bias": ("HalfStorage", [2], b"\0\x3c\0\0"),
                             "ids": ("LongStorage", [1], b"\1" + b"\0" * 7), "bf": ("BFloat16Storage", [1, 1], b"\x80\x3f")})
    seed("pickle", "state", text)
    seed("checkpoint", "torch", whole)
    seed("checkpoint", "big-endian", torch_zip({"w": ("FloatStorage", [1], b"\0\0\0\0")}, b"big")[1])
    index = {"weight_map": {"a": "a.safetensors", "h": "a.safetensors", "b": "b.safetensors"}}
    seed("checkpoint", "index", parts(model__safetensors__index__json=index, a__safetensors=a) + parts(b__safetensors=b)[:-1])
    seed("checkpoint", "folder", parts(model__safetensors=b)[:-1])
    index = {"weight_map": {"w": "a.bin", "ids": "a.bin", "bf": "b.bin"}}
    seed("checkpoint", "index-torch", parts(pytorch_model__bin__index__json=index, a__bin=whole, b__bin=whole)[:-1])
    seed("checkpoint", "folder-torch", parts(pytorch_model__bin=whole)[:-1])


def configs():
    for family in "captioner", "itm", "clip":
        config = json.loads((TINY / family / "config.json").read_text())
        more = TINY / family / "generation_config.json"
        seed("config", family, parts(config__json=config, **({"generation_config__json": more.read_text()} if more.exists() else {})))
    for family in "smolvlm", "llava", "instructblip", "blip":
        model = ROOT / "tests/golden/models/captioner" / family / "model"
        seed("config", family, parts(**{name.replace(".", "__"): (model / name).read_text() for name in ("config.json", "generation_config.json", "preprocessor_config.json")}))
    opt = {"model_type": "opt", "hidden_size": 16, "num_attention_heads": 4, "vocab_size": 99, "word_embed_proj_dim": 16,
           "activation_function": "relu", "do_layer_norm_before": True, "eos_token_id": [2, 5]}
    seed("config", "opt", parts(config__json=opt))
    clip = ROOT / "tests/golden/clip"
    seed("config", "clip-openai", parts(config__json=json.loads((clip / "openai/config.json").read_text()),
                                        preprocessor_config__json=(clip / "openai/preprocessor_config.json").read_text()))
    siglip = ROOT / "tests/golden/siglip/odd"
    seed("config", "siglip", parts(config__json=json.loads((siglip / "config.json").read_text()), preprocessor_config__json=(siglip / "preprocessor_config.json").read_text()))
    seed("config", "blip-itm", parts(config__json=json.loads((ROOT / "tests/golden/blip-itm/odd/config.json").read_text())))
    seed("config", "open-clip", parts(open_clip_config__json=json.loads((clip / "open-clip-text/open_clip_config.json").read_text())))
    tensors = {"base_model.model.m.q.lora_A.weight": ("F32", [1, 2], b"\0" * 8), "base_model.model.m.q.lora_B.weight": ("F32", [3, 1], b"\0" * 12)}
    adapter = {"peft_type": "LORA", "r": 1, "lora_alpha": 2.0, "bias": "none", "use_rslora": False, "target_modules": ["q"]}
    seed("config", "adapter", parts(adapter_config__json=adapter, adapter_model__safetensors=safetensors(tensors))[:-1])
    adapter["use_rslora"] = True
    tensors["base_model.model.m.k.lora_A.weight"] = ("F32", [1, 2], b"\0" * 8)
    seed("config", "adapter-more", parts(adapter_config__json=adapter, adapter_model__safetensors=safetensors(tensors))[:-1])


def tokenizers():
    text = "A cat, don't </s> \u00e9\u4e2d 12 [MASK]<|endoftext|>  x"
    names = {n: i for i, n in enumerate(["</s>", "<pad>", "\u010a", "a", "c", "t", "\u0120", "\u0120c", "at", "\u0120cat", "\u00c3", "\u00a9", "A", ","])}
    merges = "#version: 0.2\n\u0120 c\na t\n\u0120c at\n"
    seed("tokenizer", "opt", parts(vocab__json=names, merges__txt=merges, tokenizer_config__json=(TINY / "captioner/tokenizer_config.json").read_text(),
                                   config__json={"image_token_index": 3}, text=text))
    clip = {n: i for i, n in enumerate(["a", "c", "t", "a</w>", "t</w>", "at</w>", "cat</w>", "<|startoftext|>", "<|endoftext|>"])}
    seed("tokenizer", "clip", parts(vocab__json=clip, merges__txt="#version: 0.2\na t</w>\nc at</w>\n",
                                    special_tokens_map__json={"unk_token": {"content": "<|endoftext|>", "lstrip": True}}, text=text))
    words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nca\n##t\n,\ndon\n'\nt\n\u4e2d"
    seed("tokenizer", "bert", parts(vocab__txt=words, tokenizer_config__json={"do_lower_case": False, "added_tokens_decoder": {"13": {"content": "<image>", "special": True, "rstrip": True}}},
                                    added_tokens__json={"[DEC]": 14}, text=text))
    added = [{"id": 0, "content": "</s>", "special": True, "lstrip": True, "rstrip": True}]
    seed("tokenizer", "json-bpe", parts(tokenizer__json={"model": {"type": "BPE", "vocab": names, "merges": ["\u0120 c", ["a", "t"]], "unk_token": "A"}, "added_tokens": added}, text=text))
    units = [0] * 256  # a table of one key, "a": its unit is that of byte 97, its value that of place 129, the text "b"
    units[97], units[129] = 97 | 1 << 8 | (97 ^ 129) << 10, 1 << 31
    table = struct.pack("<I", 1024) + struct.pack("<256I", *units) + b"b\0"
    steps = [{"type": "Lowercase"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Strip", "strip_left": True, "strip_right": True},
             {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]
    rows = [["</s>", 0], ["<unk>", 0], ["\u2581", -2], ["a", -3], ["\u2581ca", -4], ["t", -3.5], ["don", -6]]
    seed("tokenizer", "json-unigram", parts(tokenizer__json={"normalizer": {"type": "Sequence", "normalizers": steps},
                                                             "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
                                                             "model": {"type": "Unigram", "vocab": rows, "unk_id": 1}, "added_tokens": added}, text=text))
    bert = {n: i for i, n in enumerate(words.split("\n"))}
    seed("tokenizer", "json-wordpiece", parts(tokenizer__json={"normalizer": {"lowercase": True}, "model": {"type": "WordPiece", "vocab": bert, "unk_token": "[UNK]"}}, text=text))


def run(*command, given=None):
    return subprocess.run(command, input=given, check=True, stdout=subprocess.PIPE).stdout


def images():
    with tempfile.TemporaryDirectory() as folder:
        def made(name, *options):
            path = f"{folder}/{name}"
            run("convert", "-size", "17x9", "gradient:red-blue", *options, "-strip", path)
            return pathlib.Path(path).read_bytes()
        jpeg = made("a.jpg", "-quality", "40")
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"
        seed("image", "baseline.jpg", jpeg)
        seed("image", "turned.jpg", jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])
        whole = made("e.jpg", "-resize", "16x16!", "-quality", "20")
        seed("image", "turned-whole.jpg", whole[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + whole[2:])
        seed("image", "progressive.jpg", made("b.jpg", "-interlace", "JPEG", "-quality", "30"))
        seed("image", "grey.jpg", made("c.jpg", "-colorspace", "gray", "-quality", "30"))
        seed("image", "cmyk.jpg", made("d.jpg", "-colorspace", "CMYK", "-quality", "10"))
        seed("image", "rgb.png", made("a.png"))
        png, chunk = made("a.png"), b"eXIf" + exif[6:]
        seed("image", "turned.png", png[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:])
        seed("image", "palette.png", made("b.png", "-colors", "4"))
        seed("image", "alpha.png", made("c.png", "-alpha", "set", "-channel", "A", "-evaluate", "set", "50%", "-depth", "16"))
        seed("image", "interlaced.png", made("d.png", "-interlace", "PNG", "-colorspace", "gray"))
        for name, options in {"lossy.webp": ["-q", "20"], "lossless.webp": ["-lossless"]}.items():
            run("cwebp", "-quiet", *options, f"{folder}/c.png", "-o", f"{folder}/{name}")
            seed("image", name, pathlib.Path(f"{folder}/{name}").read_bytes())
        run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=16x16:rate=2:duration=1", "-c:v", "libwebp_anim", f"{folder}/moving.webp")
        seed("image", "moving.webp", pathlib.Path(f"{folder}/moving.webp").read_bytes())
        return jpeg


def videos():
    x264 = ["-c:v", "libx264", "-x264-params", "g=2:bframes=1:no-info=1:level=1", "-pix_fmt", "yuv420p"]
    kinds = {"h264.mp4": x264, "fragments.mp4": x264 + ["-movflags", "frag_keyframe+empty_moov"], "h264.mkv": x264, "h264.ts": x264, "vp8.webm": ["-c:v", "libvpx", "-g", "2"],
             "mpeg4.avi": ["-c:v", "mpeg4", "-q:v", "20", "-g", "2"], "mjpeg.avi": ["-c:v", "mjpeg", "-q:v", "20"], "mjpeg.mov": ["-c:v", "mjpeg", "-q:v", "20"],
             "mpeg1.mpg": ["-c:v", "mpeg1video", "-r", "25", "-q:v", "20"], "h264.flv": x264, "raw.h264": x264, "moving.gif": [],
             "theora.ogv": ["-c:v", "libtheora", "-q:v", "1", "-g", "2"], "wide.mkv": x264[:-1] + ["yuv444p", "-colorspace", "bt709", "-color_range", "pc"],
             "mjpeg422.mkv": ["-c:v", "mjpeg", "-q:v", "20", "-pix_fmt", "yuvj422p", "-r", "2"]}
    with tempfile.TemporaryDirectory() as folder:
        for name, options in kinds.items():
            run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=32x32:rate=5:duration=1", "-an", "-fflags", "+bitexact", "-flags:v", "+bitexact", *options, f"{folder}/{name}")
            seed("video", name, pathlib.Path(f"{folder}/{name}").read_bytes())


def shards():
    def tar(form, names=("a.jpg", "a.json", "b/c.png", "\u00e9" * 60 + ".webp")):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as t:
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.size = 5
                t.addfile(entry, io.BytesIO(b"bytes"))
            for kind, name in (tarfile.DIRTYPE, "d"), (tarfile.SYMTYPE, "s.jpg"), (tarfile.LNKTYPE, "l.jpg"):
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = kind, "a.jpg"
                t.addfile(entry)
        return out.getvalue()[:-8192 if form != tarfile.PAX_FORMAT else None].rstrip(b"\0") + b"\0" * 1024
    seed("tar", "ustar", tar(tarfile.USTAR_FORMAT, ("a.jpg", "a.json", "b/c.png")))
    seed("tar", "gnu", tar(tarfile.GNU_FORMAT))
    seed("tar", "pax", tar(tarfile.PAX_FORMAT))
    seed("tar", "gzip", gzip.compress(tar(tarfile.USTAR_FORMAT, ("a.jpg",)), mtime=0))
    seed("tar", "zstd", run("zstd", "-q", "-c", given=tar(tarfile.USTAR_FORMAT, ("a.jpg",))))


def references():
    captions = {"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": [{"image_id": 7, "id": 1, "caption": "A cat's (3 1/2) U.S. flag."}]}
    seed("references", "captions", "==== json\n" + json.dumps(captions) + "\n==== text\nDon't http://x.org/a-b <b> \u2019s &amp; 555-1234 \u00bd")
    karpathy = {"images": [{"filename": "a.jpg", "cocoid": 7, "split": "test", "sentences": [{"raw": "a cat"}]}]}
    instances = {"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": [{"image_id": 7, "category_id": 3}], "categories": [{"id": 3, "name": "dog"}]}
    seed("references", "instances", "==== json\n" + json.dumps(instances) + "\n==== synonyms\ndog, puppy, hot dog\n")
    df = '{"vlrm": 1, "tokenizer": "PTB: Stanford CoreNLP 3.4.1 as pycocoevalcap 1.2 calls it", "images": 2, "grams": 2}\n1\ta\n2\ta cat\n'
    seed("references", "karpathy", "==== json\n" + json.dumps(karpathy) + "\n==== df\n" + df)


def coco():
    image = {"filepath": "val2014", "filename": "a.jpg", "cocoid": 7, "split": "test", "sentences": [{"raw": "a cat"}, {"raw": "\u00e9\"}"}]}
    seed("coco", "two", json.dumps({"dataset": {"a": [1, {"b": "]}"}]}, "n": 1, "images": [image, dict(image, split="val", cocoid=None)], "more": 1}))
    seed("coco", "leads-out", json.dumps({"images": [{"filename": "../a.jpg"}, {"filename": "/a.jpg"}, {"filename": ""}, {}]}))


def stages(jpeg):
    bin = lambda data: {"$bin": base64.b64encode(data).decode()}
    record = {"id": "a.mp4#0.000", "frame": {"source": "a.mp4", "time": 0.5, "width": 17, "height": 9, "encoding": "jpeg", "image": bin(jpeg)},
              "caption": {"text": "a red cat", "eos": True},
              "reward": {"returns": [0.5, 1, -1], "sim": 0.3, "ref": None, "noeos": 0, "bad": [0, 1, 0], "repeat": [0, 0, 0], "parts": {"itm": 0.9, "phi": 1}}}
    tokens = {"tokens": [77, 12, 16], "logp": [-1.5, -0.25, -3], "step": 0, "policy": "0123456789abcdef", "eos": True}
    rgb = {"id": "b", "frame": {"width": 2, "height": 1, "encoding": "rgb", "image": bin(b"abcdef")}, "caption": tokens, "reward": record["reward"],
           "features": {"encoder": "0123456789abcdef", "shape": [2, 3], "dtype": "f16", "data": bin(b"\0\x3c" * 6)}}
    path = {"id": "c", "frame": {"path": "tests/fuzz/seeds/image/rgb.png"}, "caption": {"text": "  \u00e9 ", "eos": False, "tokens": []}, "features": {"encoder": "0123456789abcdef", "dtype": "bf16", "data": bin(b"\0" * 12)}}
    for name, records in {"image": [record], "tokens": [rgb], "path": [path, rgb]}.items():
        seed("stages", name, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))


checkpoints()
configs()
tokenizers()
videos()
shards()
coco()
references()
stages(images())
