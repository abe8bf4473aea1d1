#!/usr/bin/env python3
"""Draws what `vlrm top RUN` shows now as an SVG: README's picture of it.

    doc/pictures/top.py RUN > doc/pictures/top.svg

vlrm-top runs on a pseudo-terminal of 100 columns, in colours, and is quit after its first frame. README's is of a training of the bundled
miniature with the settings of doc/reproduction.md ("VLRM"), on clips of vlrm-world-render --split train --seed 21 --clips 200 --size 96.
"""
import fcntl, html, os, pty, re, struct, sys, termios

COLUMNS, ROWS = 100, 40
WIDTH, HEIGHT, MARGIN = 8, 17, 12  # of a character, and around all
COLOURS = {"1": "#ffffff", "33": "#e5c07b", "31": "#e06c75"}
BARS = "▁▂▃▄▅▆▇█"


def screen(run):
    """All that vlrm-top has written until it was quit."""
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.environ["TERM"] = "xterm"
        os.environ.pop("NO_COLOR", None)
        try:
            os.execvp("vlrm-top", ["vlrm-top", "--interval", "0.5", run])
        except OSError as e:
            print(e)
            os._exit(127)
    data = b""
    while True:
        try:
            part = os.read(fd, 65536)
        except OSError:
            break
        if not part:
            break
        data += part
        if b"\x1b[J" in data:
            os.write(fd, b"q")
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0 or b"\x1b[H" not in data:
        sys.exit(f"top.py: vlrm-top shows no frame of {run}: {data.decode(errors='replace').strip()}")
    return data.decode()


def cells(line):
    """[(character, style)] of a line with escape sequences."""
    style, out = "", []
    for code, char in re.findall(r"\x1b\[([0-9;]*)[A-Za-z]|([^\x1b])", line):
        if char:
            out.append((char, style))
        else:
            style = code if code in COLOURS else ""
    return out


def draw_line(row, line):
    """Bars as one shape, which stands right in any font; words each in its place."""
    y = MARGIN + row * HEIGHT
    bars = ""
    for x, (char, style) in enumerate(line):
        if char in BARS:
            height = (BARS.index(char) + 1) * (HEIGHT - 4) / 8
            bars += f"M{MARGIN + x * WIDTH} {y + HEIGHT - 2}h{WIDTH - 1}v{-height:.1f}h{1 - WIDTH}z"
    if bars:
        yield f'<path d="{bars}" fill="#61afef"/>'
    for word in re.finditer(f"[^ {BARS}]+", "".join(char for char, _ in line)):
        fill = COLOURS.get(line[word.start()][1], "#c8ccd4")
        size = len(word[0]) * WIDTH
        yield f'<text x="{MARGIN + word.start() * WIDTH}" y="{y + HEIGHT - 5}" fill="{fill}" textLength="{size}">{html.escape(word[0])}</text>'


def svg(lines, columns):
    """Prints lines of cells as a picture."""
    while lines and not lines[-1]:
        lines.pop()
    width, height = 2 * MARGIN + columns * WIDTH, 2 * MARGIN + len(lines) * HEIGHT
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"')
    print('     font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13">')
    print(f'<rect width="{width}" height="{height}" rx="6" fill="#21252b"/>')
    for row, line in enumerate(lines):
        for element in draw_line(row, line):
            print(element)
    print("</svg>")


def main():
    frame = screen(sys.argv[1]).split("\x1b[H")[1].split("\x1b[J")[0]
    svg([cells(line.replace("\r", "")) for line in frame.split("\n")], COLUMNS)


if __name__ == "__main__":
    main()
