# group: robustness
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error, or leave a core file
# --- program ---
import os


def add(a, b):
    os.abort()
