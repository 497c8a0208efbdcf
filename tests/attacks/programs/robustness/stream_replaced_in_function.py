# group: robustness
# problem: add
# verdict: passed
# must not: fail because standard output is gone
# --- program ---
import sys

sys.stdout = sys.stderr = sys.stdin = None


def add(a, b):
    return a + b
