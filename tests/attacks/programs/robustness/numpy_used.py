# group: robustness
# problem: add_numpy
# verdict: passed | runtime_error
# must not: fail where numpy is offered to programs
# why open: which third-party packages a jail offers is the operator's choice; without numpy the import is an error
# --- program ---
import numpy as np


def add(a, b):
    return int(np.array([a, b], dtype=np.int64).sum())
