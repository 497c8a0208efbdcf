# group: resource
# problem: add
# verdict: passed
# must not: wait for a thread that the answers do not need
# --- program ---
import threading
import time


def add(a, b):
    threading.Thread(target=time.sleep, args=(60,)).start()
    return a + b
