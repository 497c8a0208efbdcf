# group: robustness
# problem: add
# verdict: runtime_error
# must not: be found by searching
# --- program ---
def outer():
    def add(a, b):
        return a + b

    return add
