# group: robustness
# problem: puzzle_square
# verdict: runtime_error
# must not: be a sandbox_error
# --- program ---
def answer_is():
    return 1234
