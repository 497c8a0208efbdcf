# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because an exit handler turns a failure into status 0; no exit handler runs in function style
# control: yes
# --- program ---
import atexit
import os

atexit.register(os._exit, 0)


def add(a, b):
    return None
