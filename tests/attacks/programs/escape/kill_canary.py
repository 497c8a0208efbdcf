# group: escape
# problem: add
# verdict: runtime_error
# must not: signal another process of the machine
# --- program ---
import os
import signal


def add(a, b):
    os.kill(@CANARY_PID@, signal.SIGURG)
    return a + b
