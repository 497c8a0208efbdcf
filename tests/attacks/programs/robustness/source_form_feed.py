# group: robustness
# problem: add
# verdict: passed
# must not: be a compile_error
# --- program ---
import math

def add(a, b):
    return a + b

