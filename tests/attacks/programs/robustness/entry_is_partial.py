# group: robustness
# problem: add
# verdict: passed
# must not: fail because it is no function object
# --- program ---
import functools
import operator

add = functools.partial(operator.add)
