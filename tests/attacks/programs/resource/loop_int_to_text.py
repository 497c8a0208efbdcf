# group: resource
# problem: add
# verdict: timeout
# must not: wait for a bytecode boundary: the loop is one C call
# --- program ---
import sys

sys.set_int_max_str_digits(0)


def add(a, b):
    return len(str(1 << 30_000_000)) * 0 + a + b
