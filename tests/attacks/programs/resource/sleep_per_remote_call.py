# group: resource
# problem: check_square
# verdict: timeout
# must not: pass because the limit is applied to each call: it holds for the whole program
# --- program ---
import time


def square(n):
    time.sleep(0.8)
    return n * n
