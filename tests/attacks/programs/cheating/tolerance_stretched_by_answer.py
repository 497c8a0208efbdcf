# group: cheating
# problem: mean
# verdict: wrong_answer
# must not: pass because the tolerance is taken relative to the answer instead of the expected value
# --- program ---
def mean(xs):
    return 1e300
