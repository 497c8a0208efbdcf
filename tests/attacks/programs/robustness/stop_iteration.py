# group: robustness
# problem: check_square
# verdict: runtime_error
# must not: end a loop of the tester
# --- program ---
def square(n):
    raise StopIteration
