# group: robustness
# problem: mean
# verdict: wrong_answer
# must not: pass because it is a number: only plain values are answers
# --- program ---
from decimal import Decimal


def mean(xs):
    return Decimal(str(sum(xs) / len(xs)))
