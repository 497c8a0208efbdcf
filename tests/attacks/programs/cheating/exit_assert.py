# group: cheating
# problem: assert_add
# verdict: runtime_error
# must not: pass because no assertion failed
# control: yes
# --- program ---
import os


def add(a, b):
    os._exit(0)
