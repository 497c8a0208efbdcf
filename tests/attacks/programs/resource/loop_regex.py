# group: resource
# problem: add
# verdict: timeout
# must not: wait for a bytecode boundary: the loop is one C call
# --- program ---
import re


def add(a, b):
    re.match(r"(a+)+$", "a" * 64 + "b")
    return a + b
