# group: robustness
# problem: check_square
# verdict: passed
# must not: fail because the function is no function object
# --- program ---
import functools

square = functools.partial(pow, exp=2)
