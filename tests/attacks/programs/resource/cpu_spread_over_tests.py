# group: resource
# problem: add
# verdict: timeout
# must not: pass because no single call is over the limit: the limit holds for all tests together
# --- program ---
import time


def add(a, b):
    start = time.process_time()
    while time.process_time() - start < 0.3:
        pass
    return a + b
