# group: cheating
# problem: add
# verdict: timeout
# must not: switch off the clock that watches it
# --- program ---
import signal
import time

signal.alarm(0)
for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
    signal.setitimer(timer, 0)


def add(a, b):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass
    return a + b
