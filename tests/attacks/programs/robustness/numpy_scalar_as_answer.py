# group: robustness
# problem: add_numpy
# verdict: passed | wrong_answer | runtime_error
# must not: raise in the judge, or be unpickled there
# why open: numpy's integers are no subclass of int; whether a jail offers numpy and the encoder knows its scalars is left open
# --- program ---
import numpy as np


def add(a, b):
    return np.int64(a) + np.int64(b)
