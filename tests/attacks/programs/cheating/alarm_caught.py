# group: cheating
# problem: add
# verdict: timeout
# must not: outlive the limit by handling every signal that can be handled
# --- program ---
import signal
import time

for number in range(1, signal.NSIG):
    try:
        signal.signal(number, lambda *args: None)
    except (OSError, ValueError):
        pass


def add(a, b):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass
    return a + b
