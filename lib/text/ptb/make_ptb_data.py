#!/usr/bin/env python3
"""Writes lib/text/ptb/ptb_data.c by asking the tokenizer that pycocoevalcap 1.2 calls (Stanford CoreNLP 3.4.1, -preserveLines -lowerCase).

    python3 lib/text/ptb/make_ptb_data.py > lib/text/ptb/ptb_data.c && clang-format -i lib/text/ptb/ptb_data.c

Nothing but the program's output is looked at. It is given each character of the BMP by itself, inside a word and beside digits and hyphens.
Needs Java and pycocoevalcap 1.2 (pip). Neither is needed to build or to test.
"""

import os, subprocess, tempfile
import pycocoevalcap

JAR = os.path.join(list(pycocoevalcap.__path__)[0], "tokenizer", "stanford-corenlp-3.4.1.jar")
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


def print_set(name, codes):
    ranges = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    print(f"\nstatic const LexerRange {name}[] = {{")
    print(", ".join(f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges))
    print(f"}};\nconst LexerSet ptb_{name} = {{{name}, sizeof {name} / sizeof *{name}}};")


def main():
    classes = character_classes()
    print("/* Characters as the caption metrics' tokenizer takes them. Made by make_ptb_data.py; not to be edited. */")
    print('#include "text/ptb/ptb_rules.h"')
    for kind, name in ("LETTER", "letters"), ("MODIFIER", "marks"), ("DIGIT", "digits"), ("SYMBOL", "symbols"):
        print_set(name, [code for code, k in classes if k == kind])


if __name__ == "__main__":
    main()
