#!/usr/bin/env python3
"""Writes lib/text/ptb_data.c by asking the tokenizer that pycocoevalcap 1.2 calls (Stanford CoreNLP 3.4.1, -preserveLines -lowerCase).

    python3 lib/text/make_ptb_data.py [WORDS]... > lib/text/ptb_data.c && clang-format -i lib/text/ptb_data.c

Nothing but the program's output is looked at. It is given

    characters      each one of the BMP by itself, inside a word and beside digits, hyphens
    abbreviations   every word of the lists and every string of one to four letters, in three ways of writing, before a full stop in
                    the middle of a sentence; those of two letters or more that keep it are the table, with the words of the lists that keep it
                    before a number only
    domains         every string of one to four letters as the end of a host, and of a file's name
    openers         every word of the lists, with a capital, behind "b.": those that take the full stop away from it

WORDS are lists of words, one a line: Debian's wamerican-large and wbritish-large where none is named. Needs Java and pycocoevalcap 1.2
(pip); takes a few minutes. Neither is needed to build or to test.
"""

import itertools, os, string, subprocess, sys, tempfile
import pycocoevalcap

JAR = os.path.join(list(pycocoevalcap.__path__)[0], "tokenizer", "stanford-corenlp-3.4.1.jar")
LISTS = sys.argv[1:] or ["/usr/share/dict/american-english-large", "/usr/share/dict/british-english-large"]
PART = 100000


def tokens(texts):
    """The tokens of each text between two words z, as lists. A line x keeps texts apart."""
    found = []
    for start in range(0, len(texts), PART):
        part = texts[start : start + PART]
        with tempfile.NamedTemporaryFile("wb") as f:
            f.write("".join(f"z {t} z\nx\n" for t in part).encode())
            f.flush()
            command = ["java", "-cp", JAR, "-Xmx1g", "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", f.name]
            lines = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.decode().split("\n")[:-1]
        if lines[1::2] == ["x"] * len(part):
            found += [line.split()[1:-1] for line in lines[::2]]
        elif len(part) == 1:
            found.append([])
        else:  # a text that ends its line: apart from the others
            found += tokens(part[: len(part) // 2]) + tokens(part[len(part) // 2 :])
    return found


def character_classes():
    """[(code, class)] of what is not dropped."""
    codes = [c for c in range(0x21, 0xFFFE) if not 0xD800 <= c < 0xE000 and c not in (0x85, 0x2028, 0x2029)]
    ask = ["{}", "a{}b", "7,{}", "{}-b"]
    answers = tokens([a.replace("{}", chr(c)) for c in codes for a in ask])
    classes = []
    for i, code in enumerate(codes):
        alone, inside, number, hyphen = answers[4 * i : 4 * i + 4]
        if not alone:
            continue
        if len(inside) > 1 or chr(code) in "!?@./-_,:'&":
            classes.append((code, "SYMBOL"))
        elif len(number) == 1:
            classes.append((code, "DIGIT"))
        else:
            classes.append((code, "LETTER" if len(hyphen) == 1 else "MODIFIER"))
    return classes


def words():
    found = set()
    for path in LISTS:
        found |= {w.lower() for w in open(path, encoding="utf-8").read().split() if w.isascii() and w.isalpha()}
    return sorted(found)


def abbreviations(candidates):
    cases = {}
    for bit, write in ((1, str), (2, str.capitalize), (4, str.upper)):
        for word, answer in zip(candidates, tokens([f"zz {write(w)}. ee" for w in candidates])):
            if word + "." in answer:
                cases[word] = cases.get(word, 0) | bit
    return cases


def numbered(candidates):
    """Words that keep a full stop before a number."""
    found = set()
    for write in str, str.capitalize, str.upper:
        found |= {w for w, answer in zip(candidates, tokens([f"zz {write(w)}. 7 zz" for w in candidates])) if w + "." in answer}
    return found


def openers(candidates):
    return [w for w, answer in zip(candidates, tokens([f"zz b. {w.capitalize()} zz" for w in candidates])) if answer[1] == "b"]


def endings(candidates, ask):
    """Which of them make one token of what is asked about."""
    return [c for c, answer in zip(candidates, tokens([ask + c for c in candidates])) if len(answer) == 1]


def print_words(name, words):
    print(f"\nconst char *const ptb_{name}[] = {{")
    print(", ".join(f'"{w}"' for w in words))
    print(f"}};\nconst size_t ptb_n_{name} = sizeof ptb_{name} / sizeof *ptb_{name};")


def main():
    rows = []
    for code, kind in character_classes():
        if rows and rows[-1][1] == code - 1 and rows[-1][2] == kind:
            rows[-1][1] = code
        else:
            rows.append([code, code, kind])
    listed = words()
    short = {"".join(t) for n in (2, 3, 4) for t in itertools.product(string.ascii_lowercase, repeat=n)}
    found = abbreviations(sorted(short | {w for w in listed if len(w) > 1}))
    for word in numbered(sorted(w for w in listed if len(w) > 1)) - set(found):
        found[word] = 8
    ways = "PTB_LOWER", "PTB_TITLE", "PTB_UPPER", "PTB_NUMBERED"
    print("/* Characters and words as the caption metrics' tokenizer takes them. Made by make_ptb_data.py; not to be edited. */")
    print('#include "text/ptb_data.h"\n\nconst PtbRange ptb_ranges[] = {')
    print(", ".join(f"{{0x{a:X}, 0x{b:X}, PTB_{kind}}}" for a, b, kind in rows))
    print("};\nconst size_t ptb_n_ranges = sizeof ptb_ranges / sizeof *ptb_ranges;\n\nconst PtbAbbreviation ptb_abbreviations[] = {")
    print(", ".join(f'{{"{w}", {" | ".join(name for i, name in enumerate(ways) if found[w] >> i & 1)}}}' for w in sorted(found)))
    print("};\nconst size_t ptb_n_abbreviations = sizeof ptb_abbreviations / sizeof *ptb_abbreviations;")
    print_words("openers", openers(listed))
    single = set(string.ascii_lowercase)
    print_words("domains", endings(sorted(short | single), "*a."))
    print_words("file_endings", endings(sorted(short | single), "1a."))


if __name__ == "__main__":
    main()
