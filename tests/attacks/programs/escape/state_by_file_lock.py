# group: escape
# problem: add
# verdict: runtime_error
# must not: pass a bit to another program by a lock on a file that both can read
# --- program ---
import fcntl
import os


def add(a, b):
    with open(os.__file__, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return a + b
