# group: robustness
# problem: add
# verdict: passed
# must not: fail because it has no code object
# --- program ---
from operator import add
