# group: robustness
# problem: reverse_list
# verdict: wrong_answer
# must not: be run by the judge
# --- program ---
def reverse_list(xs):
    yield from reversed(xs)
