# group: resource
# problem: add
# verdict: passed
# must not: run exit handlers after the answers are given
# --- program ---
import atexit
import time


@atexit.register
def linger():
    time.sleep(60)


def add(a, b):
    return a + b
