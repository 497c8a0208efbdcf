# group: cheating
# problem: mean
# verdict: wrong_answer
# must not: pass because a comparison with NaN is false
# --- program ---
def mean(xs):
    return float("nan")
