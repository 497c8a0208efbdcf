# group: resource
# problem: add
# verdict: timeout
# must not: survive by catching whatever a watchdog raises
# --- program ---
import time


def add(a, b):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                pass
        except BaseException:
            pass
    return a + b
