# group: cheating
# problem: mean
# verdict: wrong_answer
# must not: pass with an error just beyond the tolerance
# --- program ---
def mean(xs):
    return sum(xs) / len(xs) + 1e-5 * max(1, abs(sum(xs) / len(xs)))
