# group: robustness
# problem: add
# verdict: wrong_answer
# must not: be called by the judge
# --- program ---
def add(a, b):
    return lambda: a + b
