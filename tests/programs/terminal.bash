# For tests of what a terminal shows.

# on_terminal COLUMNS COMMAND...: runs it on a pseudo-terminal so wide; what it shows goes to `screen`. Its status.
on_terminal() {
    /usr/bin/python3 - "$@" <<'PYTHON'
import fcntl, os, pty, select, struct, sys, termios
screen = open("screen", "wb") # before the program begins: it shall not find what one before it showed
pid, fd = pty.fork()
if pid == 0: # the size first: what the program shows before it is set would be another's
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
pressed = False # once: what is typed after the program's end is shown by the terminal
with screen:
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        screen.write(data)
        screen.flush()
        if not pressed and b"TO QUIT" in open(os.environ.get("PRESS", "/dev/null"), "rb").read():
            os.write(fd, b"q")
            pressed = True
status = os.waitpid(pid, 0)[1]
sys.exit(os.waitstatus_to_exitcode(status) % 256)
PYTHON
}

# widest: the columns of the longest line on the screen, without its escape sequences.
widest() {
    /usr/bin/python3 -c 'import re; print(max(len(l) for l in re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", open("screen", encoding="utf-8").read()).replace("\r", "\n").split("\n")))'
}
