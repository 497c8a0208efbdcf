# group: escape
# problem: add
# verdict: runtime_error
# must not: signal the process that started it
# --- program ---
import os
import signal


def add(a, b):
    parent = os.getppid()
    if parent <= 0:
        raise ProcessLookupError("no parent in sight")
    os.kill(parent, signal.SIGURG)
    return a + b
