# group: resource
# problem: add_small
# verdict: timeout
# must not: hold a worker longer than the CPU limit
# --- program ---
import time


def add(a, b):
    blocks, end = [], time.monotonic() + 60
    while time.monotonic() < end:
        try:
            blocks.append(bytearray(1 << 22))
        except MemoryError:
            pass
    return a + b
