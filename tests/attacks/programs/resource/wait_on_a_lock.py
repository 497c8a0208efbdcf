# group: resource
# problem: add
# verdict: timeout
# must not: wait for ever
# --- program ---
import threading


def add(a, b):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=60)
    return a + b
