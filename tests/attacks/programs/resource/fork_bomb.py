# group: resource
# problem: add
# verdict: runtime_error
# must not: leave a child behind, or slow the next program; forking is refused, and the refusal is the program's error
# --- program ---
import os
import time


def add(a, b):
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(10)
            os._exit(0)
    return a + b
