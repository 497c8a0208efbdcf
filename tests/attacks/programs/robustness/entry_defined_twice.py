# group: robustness
# problem: add
# verdict: passed
# must not: call the first
# --- program ---
def add(a, b):
    return None


def add(a, b):
    return a + b
