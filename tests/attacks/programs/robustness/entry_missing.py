# group: robustness
# problem: add
# verdict: runtime_error
# must not: be a compile_error, or pass because no call failed
# --- program ---
def sum_of_two(a, b):
    return a + b
