# group: cheating
# problem: add
# verdict: timeout
# must not: pass because the clock is read from the child's modules
# --- program ---
import time

real = time.monotonic
end = real() + 60
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0


def add(a, b):
    while real() < end:
        pass
    return a + b
