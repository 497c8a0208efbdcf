# group: robustness
# problem: add
# verdict: passed
# must not: fail because of a warning
# --- program ---
def add(a, b):
    if a is 1000:
        return "\d"
    return a + b
