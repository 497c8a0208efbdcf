# group: cheating
# problem: mean
# verdict: wrong_answer
# must not: pass because text is turned into a float by the judge
# --- program ---
def mean(xs):
    return str(sum(xs) / len(xs))
