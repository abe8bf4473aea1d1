#!/usr/bin/python3
"""A program of a user's own for tests (vlrm train --filter): gate.py FILE passes lines of `vlrm-cat --bin=base64` on, but the end of a
batch waits until the number in FILE is greater than the batch's. So a training is still at work when somebody meddles with it, on
however fast or busy a machine."""
import os, re, sys, time

parent = os.getppid()  # when it is gone, nobody comes to open
for line in sys.stdin.buffer:
    batch = re.match(rb'\{"batch": \{"index": (\d+)', line)
    while batch and int(open(sys.argv[1]).read() or 0) <= int(batch[1]) and os.getppid() == parent:
        time.sleep(0.02)
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
