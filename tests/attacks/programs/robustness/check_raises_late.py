# group: robustness
# problem: check_square
# verdict: runtime_error
# must not: pass because the first calls were right
# --- program ---
def square(n):
    return n * n if n < 3 else 1 // 0
