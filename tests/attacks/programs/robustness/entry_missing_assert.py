# group: robustness
# problem: assert_add
# verdict: runtime_error
# must not: be a wrong_answer: there was nothing to ask
# --- program ---
def sum_of_two(a, b):
    return a + b
