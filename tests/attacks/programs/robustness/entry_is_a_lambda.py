# group: robustness
# problem: add
# verdict: passed
# must not: fail because it is no def
# --- program ---
add = lambda a, b: a + b
