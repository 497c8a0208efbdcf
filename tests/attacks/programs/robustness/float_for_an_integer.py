# group: robustness
# problem: add
# verdict: passed
# must not: fail: 6.0 == 6 in Python
# --- program ---
def add(a, b):
    return float(a + b)
