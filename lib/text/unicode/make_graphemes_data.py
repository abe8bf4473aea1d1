#!/usr/bin/env python3
"""Writes lib/text/unicode/graphemes_data.c: how code points join their neighbours, as the tokenizers library has it.

    python3 lib/text/unicode/make_graphemes_data.py > lib/text/unicode/graphemes_data.c && clang-format -i lib/text/unicode/graphemes_data.c

What joins the character before it is asked of the library itself: under a table in which a becomes Z, "a" and a code point of the
same cluster become "Z". Control characters, Hangul and what joins to the right are taken from regex, and the library is asked
whether it agrees. Made with tokenizers 0.23.3, regex 2026.11.19.
"""
import struct, sys
import regex
from tokenizers import normalizers

CONTROL, JOINS, PREPENDS, L, V, T = range(1, 7)
ALL = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]


def trie(keys):
    """darts-clone's units of {key: value}, placed one node at a time."""
    root, units, free = {}, {0: 0}, 1
    for key, value in keys.items():
        node = root
        for byte in key:
            node = node.setdefault(byte, {})
        node[None] = value
    open_nodes = [(root, 0)]
    while open_nodes:
        node, at = open_nodes.pop()
        children = [(byte or 0, byte) for byte in node]
        while free in units:
            free += 1
        base = free
        while any(base ^ byte in units for byte, _ in children):
            base += 1
        units[at] |= (base ^ at) << 10 | (None in node) << 8
        for byte, label in children:
            units[base ^ byte] = node[None] | 1 << 31 if label is None else byte
            if label is not None:
                open_nodes.append((node[label], base ^ byte))
    size = (max(units) // 256 + 1) * 256
    return struct.pack(f"<{size}I", *(units.get(i, 0) for i in range(size)))


def table(mapping):
    texts, keys = b"", {}
    for key, value in mapping.items():
        keys[key.encode()] = len(texts)
        texts += value.encode() + b"\0"
    units = trie(keys)
    return normalizers.Precompiled(struct.pack("<I", len(units)) + units + texts)


def of(name):
    pattern = regex.compile(r"\p{GCB=%s}" % name)
    return [c for c in ALL if pattern.match(chr(c))]


found = {c: CONTROL for n in ("Control", "CR", "LF") for c in of(n)} | {c: PREPENDS for c in of("Prepend")}
found |= {c: n for name, n in (("L", L), ("V", V), ("T", T)) for c in of(name)}
one = table({"a": "Z"})
joins = {c: JOINS for c in ALL if one.normalize_str("a" + chr(c)) == "Z"}
short = [c for c in found if c < 0x10000 and found[c] in (CONTROL, PREPENDS)]
many = table({chr(c): "Y" for c in short})
for c in short:                                                   # with a letter behind; with a mark, of which a control character has none
    text = many.normalize_str(chr(c) + ("b" if found[c] == PREPENDS else "\u0301"))
    if (len(text) == 1) != (found[c] == PREPENDS):
        sys.exit(f"U+{c:04X}: the library does not agree")
if set(joins) & set(found):
    sys.exit("a character of two classes")
found |= joins
print('/* Made by make_graphemes_data.py: do not edit. */\n#include "text/unicode/graphemes.h"\n\nconst GraphemeRange grapheme_ranges[] = {{0, 1},')
last, rows = CONTROL, 1
for c in range(1, max(found) + 2):
    if found.get(c, 0) != last:
        last, rows = found.get(c, 0), rows + 1
        print(f"{{{c:#x}, {last}}},")
print(f"}};\nconst size_t grapheme_n_ranges = {rows};")
