# group: robustness
# problem: add_small
# verdict: runtime_error | memory_limit
# must not: be a sandbox_error because the process crashed
# why open: frames without end use up the stack, which is a crash, or the memory limit
# --- program ---
import sys

sys.setrecursionlimit(2**31 - 1)


def add(a, b):
    return add(a, b) + 1
