# group: robustness
# problem: add_small
# verdict: runtime_error | memory_limit | wrong_answer
# must not: be a sandbox_error because the process crashed
# why open: nested C calls use up the stack, which is a crash, unless Python counts them and raises, or the stack is large enough
# --- program ---
import sys

sys.setrecursionlimit(2**31 - 1)


def add(a, b):
    value = []
    for _ in range(100_000):
        value = [value]
    return len(repr(value))
