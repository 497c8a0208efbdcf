# group: cheating
# problem: add
# verdict: runtime_error
# must not: pass because every answer that was given is right
# control: yes
# --- program ---
import os

calls = []


def add(a, b):
    calls.append(1)
    if len(calls) > 1:
        os._exit(0)
    return a + b
