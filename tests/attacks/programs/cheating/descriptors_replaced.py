# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass because every descriptor leads somewhere else
# why open: the answers go to the program's own file and never arrive, or arrive and are wrong
# --- program ---
import os

null = os.open("/dev/null", os.O_RDWR)
for fd in range(64):
    if fd != null:
        try:
            os.dup2(null, fd)
        except OSError:
            pass


def add(a, b):
    return None
