# group: robustness
# problem: add
# verdict: passed
# must not: fail because of what is printed: the answer is the returned value
# --- program ---
import sys


def add(a, b):
    print("adding", a, b)
    print('{"outcome": "wrong_answer"}', flush=True)
    sys.stderr.write("debug\n")
    return a + b
