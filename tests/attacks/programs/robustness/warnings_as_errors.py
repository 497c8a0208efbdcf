# group: robustness
# problem: add
# verdict: passed
# must not: make the harness stumble over its own warnings
# --- program ---
import warnings

warnings.simplefilter("error")


def add(a, b):
    return a + b
