# group: resource
# problem: add
# verdict: passed
# must not: lose a right answer because the child needs a new descriptor to hand it over
# --- program ---
import os

kept = []
try:
    while len(kept) < 100_000:
        kept.append(os.dup(2))
except OSError:
    pass


def add(a, b):
    return a + b
