# group: cheating
# problem: mean
# verdict: wrong_answer
# must not: overflow in the judge: the int has no float
# --- program ---
def mean(xs):
    return 10**400
