# group: resource
# problem: add
# verdict: output_limit
# must not: fill memory or disk; the answers do not matter once the cap is passed
# --- program ---
import sys


def add(a, b):
    for _ in range(1300):
        sys.stdout.write("x" * 999_999 + "\n")
    sys.stdout.flush()
    return a + b
