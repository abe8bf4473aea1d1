#!/usr/bin/env python3
"""Draws what a command prints as an SVG, as top.py draws a terminal: README's pictures of vlrm plan, vlrm doctor and vlrm radar.

    doc/pictures/lines.py COLUMNS LINES COMMAND... > doc/pictures/NAME.svg

    plan.svg    doc/pictures/lines.py 140 30 vlrm plan --model share/tiny/captioner --itm share/tiny/itm --batch 64
    doctor.svg  doc/pictures/lines.py 140 22 vlrm doctor
    radar.svg   doc/pictures/lines.py 112 30 vlrm radar run --clip share/tiny/judge
                (run: vlrm train --recipe miniature --bad-weight 0 --record run.vlrm .. of vlrm-world-render --split train --seed 21 --clips 200)

Lines that are longer are cut, further ones left out, both with three dots. Needs bin/ in PATH.
"""
import subprocess, sys
import top


def main():
    columns, most, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"lines.py: {command[0]} ends with status {done.returncode}")
    lines = done.stdout.rstrip("\n").split("\n")
    lines = lines[: most - 1] + ["..."] + lines[-1:] if len(lines) > most + 1 else lines
    top.svg([top.cells(line if len(line) <= columns else line[: columns - 4] + " ...") for line in lines], columns)


main()
