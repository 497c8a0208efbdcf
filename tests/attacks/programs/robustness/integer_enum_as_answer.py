# group: robustness
# problem: add
# verdict: passed
# must not: fail because its class is a subclass of int
# --- program ---
import enum


def add(a, b):
    return enum.IntEnum("Sum", {"VALUE": a + b}).VALUE
