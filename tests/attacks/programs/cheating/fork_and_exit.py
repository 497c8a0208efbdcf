# group: cheating
# problem: add
# verdict: runtime_error
# must not: pass because the parent leaves with status 0 and the child answers later
# --- program ---
import os
import time


def add(a, b):
    if os.fork() == 0:
        time.sleep(2)
        os._exit(0)
    os._exit(0)
