# group: robustness
# problem: add
# verdict: passed
# must not: fail because the harness finds its way by the working folder
# --- program ---
import os

os.chdir("/")


def add(a, b):
    return a + b
