#!/usr/bin/env python3
"""Writes lib/text/unicode/unicode_data.c: what the reference libraries know of every code point.

    python3 lib/text/unicode/make_unicode_data.py > lib/text/unicode/unicode_data.c && clang-format -i lib/text/unicode/unicode_data.c

The libraries carry Unicode data of different ages (letters of Unicode 16, decompositions of Unicode 9, marks of
Unicode 8, lower case of Unicode 17), and being equal to them means being equal to their tables. So nothing is taken
from a version number: every code point is put through the library. Needs tokenizers, regex; made with tokenizers
0.23.3, regex 2026.11.15 and Python 3.11 (whose unicodedata is Unicode 14).
"""
import sys, unicodedata
import regex, tokenizers
from tokenizers import normalizers, pre_tokenizers

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
NFD, NFC, LOWER = normalizers.NFD(), normalizers.NFC(), normalizers.Lowercase()
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
CLEAN = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
STRIP = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
CHINESE = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
PUNCT = pre_tokenizers.BertPreTokenizer()
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]")
NAMES = ["LETTER", "NUMBER", "SPACE", "WORD", "BERT_DROP", "BERT_CJK", "BERT_MARK", "BERT_PUNCT"]


def one_piece(text):
    return len(BYTES.pre_tokenize_str(text)) == 1


def flags(code):
    c = chr(code)
    letter, number = one_piece("a" + c + "a"), one_piece("1" + c + "1")
    space = not letter and not number and not one_piece("!" + c + "!")
    return (letter * 1 | number * 2 | space * 4 | bool(WORD.match(c)) * 8
            | (CLEAN.normalize_str("a" + c + "a") == "aa") * 16
            | (CHINESE.normalize_str(c) != c) * 32
            | (STRIP.normalize_str(c) == "") * 64
            | (len(PUNCT.pre_tokenize_str("a" + c + "a")) == 3) * 128)


def print_flags():
    print("const UnicodeRange unicode_ranges[] = {")
    rows, last = 0, None
    for code in ALL:
        f = flags(code)
        if f != last:
            print(f"{{{code:#x}, {f}}},")
            rows, last = rows + 1, f
        if code == 0xD7FF:
            last = None
    print(f"}};\nconst size_t unicode_n_ranges = {rows};\n")


def print_combining():
    """Classes of the marks that the library's NFD reorders: seen by whether a neighbour of another class moves."""
    table = {}
    for code in ALL:
        n, c = unicodedata.combining(chr(code)), chr(code)
        if n == 0 and (WORD.match(c) and regex.match(r"\p{M}", c)):   # younger than Python's data: must not move either
            for probe in ("\u0334", "\u0301"):
                for t in ("a" + c + probe, "a" + probe + c):
                    if NFD.normalize_str(t) != t and not unicodedata.decomposition(c):
                        sys.exit(f"U+{code:04X} has a combining class that unicodedata does not know")
        if n == 0:
            continue
        pair = "a" + c + "\u0334" if n > 1 else "a\u0301" + c         # U+0334 has class 1, U+0301 has 230
        if NFD.normalize_str(pair) != pair or unicodedata.decomposition(c):
            table[code] = n
    print("const UnicodeRange unicode_combining[] = {")
    rows, last = 0, 0
    for code in range(max(table) + 2):
        n = table.get(code, 0)
        if n != last or code == 0:
            print(f"{{{code:#x}, {n}}},")
            rows, last = rows + 1, n
    print(f"}};\nconst size_t unicode_n_combining = {rows};\n")


def print_decompositions():
    """One level each; Hangul is computed. `composes` is 0 for the composition exclusions."""
    rows = []
    for code in ALL:
        c = chr(code)
        if 0xAC00 <= code < 0xD7A4 or NFD.normalize_str(c) == c:
            continue
        d = unicodedata.decomposition(c)
        if not d or d.startswith("<"):
            sys.exit(f"U+{code:04X}: the library decomposes it, unicodedata does not")
        parts = [int(x, 16) for x in d.split()]
        a, b = parts if len(parts) == 2 else (parts[0], 0)
        rows.append((code, a, b, int(b != 0 and NFC.normalize_str(chr(a) + chr(b)) == c)))
    print("const UnicodeDecomposition unicode_decompositions[] = {")
    for r in rows:
        print(f"{{{r[0]:#x}, {r[1]:#x}, {r[2]:#x}}},")
    print(f"}};\nconst size_t unicode_n_decompositions = {len(rows)};\n")
    pairs = sorted((a, b, i) for i, (_, a, b, ok) in enumerate(rows) if ok)
    print("const uint16_t unicode_compositions[] = {" + ", ".join(str(i) for *_, i in pairs) + "};")
    print(f"const size_t unicode_n_compositions = {len(pairs)};\n")


def print_mapping(name, mapping):
    """Runs of code points `stride` apart whose image is the same distance away."""
    runs = []
    for c, d in sorted(mapping.items()):
        if runs:
            first, last, stride, delta = runs[-1]
            if d - c == delta and (last == first and c - last <= 2 or c - last == stride and last != first):
                runs[-1] = [first, c, c - last, delta]
                continue
        runs.append([c, c, 1, d - c])
    print(f"const UnicodeMapping {name}[] = {{")
    for r in runs:
        print("{%#x, %#x, %d, %d}," % tuple(r))
    print(f"}};\nconst size_t {name.replace('unicode_', 'unicode_n_')} = {len(runs)};\n")


def print_lower():
    lower = {}
    for code in ALL:
        s = LOWER.normalize_str(chr(code))
        if len(s) == 1 and s != chr(code):
            lower[code] = ord(s)
        elif len(s) != 1 and code != 0x130:
            sys.exit(f"U+{code:04X} has {len(s)} lower-case characters")
    print_mapping("unicode_lower", lower)


def print_casefold():
    fold, many = {}, {}
    for code in ALL:
        s = chr(code).casefold()
        if len(s) > 1:
            many[code] = [ord(x) for x in s]
        elif s != chr(code):
            fold[code] = ord(s)
    print_mapping("unicode_casefold", fold)
    print("const UnicodeExpansion unicode_expansions[] = {")
    for c, s in many.items():
        print(f"{{{c:#x}, {{{', '.join(map(hex, (s + [0, 0])[:3]))}}}}},")
    print(f"}};\nconst size_t unicode_n_expansions = {len(many)};\n")


def print_equal():
    """regex's IGNORECASE: the smallest character of each set of equals. i, I, U+0130 and U+0131 are in words.c."""
    every = "".join(map(chr, ALL))
    cased = regex.compile(r"[\p{Cased}\p{Lu}\p{Ll}\p{Lt}\p{Changes_When_Casefolded}\p{Changes_When_Uppercased}]")
    equal, turkic = {}, {0x49, 0x69, 0x130, 0x131}
    for c in cased.findall(every):
        same = [ord(x) for x in regex.findall(regex.escape(c), every, regex.IGNORECASE)]
        if ord(c) in turkic:
            continue
        if turkic & set(same):
            sys.exit(f"U+{ord(c):04X} equals a letter i")
        for x in same:
            if equal.setdefault(x, min(same)) != min(same):
                sys.exit(f"U+{x:04X}: case-insensitive equality is not transitive")
    print_mapping("unicode_equal", {c: d for c, d in equal.items() if c != d})


print(f"""/*
 * Unicode as the reference libraries see it. Made by lib/text/unicode/make_unicode_data.py with tokenizers {tokenizers.__version__},
 * regex {regex.__version__} and Python {sys.version_info.major}.{sys.version_info.minor}; not edited by hand. unicode.h says what the tables are.
 */
#include "text/unicode/unicode_data.h"
""")
print_flags(), print_combining(), print_decompositions(), print_lower(), print_casefold(), print_equal()
