# group: robustness
# problem: add
# verdict: passed
# must not: be read as one line
# --- program ---
def add(a, b):    return a + b