# group: cheating
# problem: check_square
# verdict: runtime_error
# must not: pass because the tester's process ended well
# --- program ---
import sys


def square(n):
    if n == 2:
        sys.exit(0)
    return n * n
