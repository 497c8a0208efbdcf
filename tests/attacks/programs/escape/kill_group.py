# group: escape
# problem: add
# verdict: passed | runtime_error
# must not: reach the worker's process group
# why open: a group of its own makes the call harmless; a filter refuses it
# --- program ---
import os
import signal

try:
    os.killpg(0, signal.SIGURG)
except OSError:
    pass


def add(a, b):
    return a + b
