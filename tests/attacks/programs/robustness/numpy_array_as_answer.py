# group: robustness
# problem: reverse_numpy
# verdict: passed | wrong_answer | runtime_error
# must not: raise in the judge because the truth of an array is ambiguous
# why open: an array is no list; whether a jail offers numpy and the encoder knows its arrays is left open
# --- program ---
import numpy as np


def reverse_list(xs):
    return np.array(xs)[::-1]
