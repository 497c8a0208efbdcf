# group: robustness
# problem: histogram
# verdict: passed
# must not: fail because its keys were added in another order
# --- program ---
from collections import defaultdict


def histogram(text):
    counts = defaultdict(int)
    for letter in reversed(text):
        counts[letter] += 1
    return counts
