# group: resource
# problem: add
# verdict: runtime_error
# must not: use up the machine's descriptors
# --- program ---
import os

kept = []


def add(a, b):
    while len(kept) < 100_000:
        kept.append(os.dup(2))
    return a + b
