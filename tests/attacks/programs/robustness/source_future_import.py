# group: robustness
# problem: add
# verdict: passed
# must not: be a compile_error because something stands before its first line
# --- program ---
from __future__ import annotations


def add(a: Number, b: Number) -> Number:
    return a + b
