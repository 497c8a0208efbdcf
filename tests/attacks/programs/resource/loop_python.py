# group: resource
# problem: add
# verdict: timeout
# must not: hold a worker longer than the CPU limit and a little
# --- program ---
import time


def add(a, b):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass
    return a + b
