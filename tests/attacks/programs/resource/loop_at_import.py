# group: resource
# problem: add
# verdict: timeout
# must not: be counted as set-up of the sandbox, and so as a sandbox_error
# --- program ---
import time

end = time.monotonic() + 60
while time.monotonic() < end:
    pass


def add(a, b):
    return a + b
