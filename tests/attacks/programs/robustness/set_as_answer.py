# group: robustness
# problem: reverse_list
# verdict: wrong_answer
# must not: be turned into a list by the judge
# --- program ---
def reverse_list(xs):
    return set(xs)
