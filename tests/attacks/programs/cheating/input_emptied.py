# group: cheating
# problem: reverse_list
# verdict: wrong_answer
# must not: pass because the expected value is derived from the input that it emptied
# --- program ---
def reverse_list(xs):
    xs.clear()
    return xs
