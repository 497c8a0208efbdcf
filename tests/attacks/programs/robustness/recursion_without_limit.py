# group: robustness
# problem: add_small
# verdict: runtime_error | memory_limit | timeout
# must not: be a sandbox_error because the process crashed
# why open: frames without end use up the stack, the memory, or the time in which a million frames are unwound
# --- program ---
import sys

sys.setrecursionlimit(2**31 - 1)


def add(a, b):
    return add(a, b) + 1
