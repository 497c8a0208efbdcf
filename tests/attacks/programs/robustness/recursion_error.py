# group: robustness
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error
# --- program ---
def add(a, b):
    return add(a, b)
