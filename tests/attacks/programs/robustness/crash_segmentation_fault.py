# group: robustness
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error or a memory_limit
# --- program ---
import ctypes


def add(a, b):
    return ctypes.string_at(0)
