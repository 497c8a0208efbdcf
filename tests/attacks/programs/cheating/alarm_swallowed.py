# group: cheating
# problem: add
# verdict: timeout
# must not: answer late: the limit is not an exception that it could catch
# --- program ---
import time


def add(a, b):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                pass
        except BaseException:
            continue
    return a + b
