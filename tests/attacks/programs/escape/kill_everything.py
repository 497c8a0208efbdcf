# group: escape
# problem: add
# verdict: passed | runtime_error
# must not: reach any process but its own; the signal is one that is ignored by default, and the canary process records it
# why open: inside a process namespace of its own the call may find nobody but itself; elsewhere it is refused
# --- program ---
import os
import signal

try:
    os.kill(-1, signal.SIGURG)
except OSError:
    pass


def add(a, b):
    return a + b
