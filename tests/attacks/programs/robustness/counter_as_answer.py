# group: robustness
# problem: histogram
# verdict: passed
# must not: fail because its class is a subclass of dict
# --- program ---
from collections import Counter


def histogram(text):
    return Counter(text)
