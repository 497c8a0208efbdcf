# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass by what it writes when the process ends
# why open: a spoilt channel is the program's own doing: no answer, or a wrong one
# --- program ---
import atexit
import os


@atexit.register
def rewrite():
    for fd in range(3, 64):
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"3\n0\n1000007\n4\n", 0)
        except OSError:
            pass


def add(a, b):
    return None
