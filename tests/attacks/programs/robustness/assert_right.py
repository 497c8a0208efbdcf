# group: robustness
# problem: assert_add
# verdict: passed
# must not: fail
# --- program ---
def add(a, b):
    return a + b
