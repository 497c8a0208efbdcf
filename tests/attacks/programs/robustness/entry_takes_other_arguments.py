# group: robustness
# problem: add
# verdict: runtime_error
# must not: be a wrong_answer
# --- program ---
def add(a):
    return a
