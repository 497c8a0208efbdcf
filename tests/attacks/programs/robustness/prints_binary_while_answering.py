# group: robustness
# problem: add
# verdict: passed
# must not: fail because of what is printed: the answer is the returned value
# --- program ---
import os
import sys


def add(a, b):
    sys.stdout.buffer.write(bytes(range(256)))
    os.write(1, b"\xff\x00\n")
    os.write(2, b"\xff\x00\n")
    return a + b
