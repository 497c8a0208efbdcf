# group: robustness
# problem: add
# verdict: passed
# must not: fail because it is wrapped
# --- program ---
import functools


@functools.lru_cache(maxsize=None)
def add(a, b):
    return a + b
