# group: resource
# problem: add
# verdict: timeout
# must not: hold a core while it sleeps, or sleep on for ever
# --- program ---
import time


def add(a, b):
    time.sleep(60)
    return a + b
