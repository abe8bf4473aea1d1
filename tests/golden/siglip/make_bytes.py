#!/usr/bin/env python3
"""make_bytes.py ORACLE OUT: a tokenizer as SigLIP's, without the table of normalisation and with bytes for what is of no row, as the
multilingual SigLIP's; trained on the corpus of the oracle's families_tokenizers.py."""
import json, pathlib, sys

sys.path.insert(0, sys.argv[1])
import families_tokenizers as ft

out = pathlib.Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
ft.siglip(out, 2)  # for its steps
j = json.loads((out / "tokenizer.json").read_text())
sp, _ = ft.train_sentencepiece(out / "spiece.model", "unigram", [t.lower() for t in ft.corpus(2)], 560, normalization_rule_name="identity", unk_id=2, bos_id=-1, eos_id=1,
                               pad_id=0, byte_fallback=True)
(out / "spiece.model").unlink()
j["normalizer"]["normalizers"] = [s for s in j["normalizer"]["normalizers"] if s["type"] != "Precompiled"]
j["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, j["decoder"]]}
j["model"] = {"type": "Unigram", "unk_id": 2, "byte_fallback": True, "vocab": [[sp.id_to_piece(i), sp.get_score(i)] for i in range(sp.get_piece_size())]}
ft.dump(out / "tokenizer.json", j)
