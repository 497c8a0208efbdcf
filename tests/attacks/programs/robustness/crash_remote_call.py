# group: robustness
# problem: check_square
# verdict: runtime_error
# must not: leave the tester waiting
# --- program ---
import ctypes


def square(n):
    return ctypes.string_at(0) if n == 1 else n * n
