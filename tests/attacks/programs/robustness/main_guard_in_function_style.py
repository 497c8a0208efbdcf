# group: robustness
# problem: add
# verdict: passed
# must not: run what is meant for a script
# --- program ---
import sys


def add(a, b):
    return a + b


if __name__ == "__main__":
    sys.exit(input("numbers: "))
