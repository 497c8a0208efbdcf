# group: robustness
# problem: check_square
# verdict: runtime_error
# must not: leave the tester waiting
# --- program ---
def squared(n):
    return n * n
