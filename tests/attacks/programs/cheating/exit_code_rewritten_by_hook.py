# group: cheating
# problem: add
# verdict: runtime_error
# must not: pass because the hook for uncaught exceptions ends the process with status 0
# control: yes
# --- program ---
import os
import sys

sys.excepthook = lambda *args: os._exit(0)


def add(a, b):
    raise ValueError("hook me")
