# group: cheating
# problem: add
# verdict: runtime_error
# must not: pass because the process ended with status 0
# control: yes
# --- program ---
import os


def add(a, b):
    os._exit(0)
