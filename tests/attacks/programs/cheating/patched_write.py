# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass because what the harness writes is replaced on the way
# why open: a child that spoils its own interpreter may fail before it answers
# --- program ---
import os

real_write = os.write


def write(fd, data):
    real_write(fd, b'{"outcome": "passed"}\n5\n')
    return len(data)


os.write = os.pwrite = os.writev = write


def add(a, b):
    return None
