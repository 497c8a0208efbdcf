# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass by rewriting or cutting what was written before
# why open: a spoilt channel is the program's own doing: no answer, or a wrong one
# --- program ---
import os


def add(a, b):
    for fd in range(3, 64):
        try:
            os.ftruncate(fd, 0)
        except OSError:
            pass
        try:
            os.pwrite(fd, b'{"outcome": "passed"}\ntrue\ntrue\ntrue\n', 0)
            os.lseek(fd, 4096, os.SEEK_SET)
        except OSError:
            pass
    return None
