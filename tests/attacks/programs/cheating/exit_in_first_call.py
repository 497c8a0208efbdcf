# group: cheating
# problem: add
# verdict: runtime_error
# must not: pass because the process ended with status 0
# control: yes
# --- program ---
import sys


def add(a, b):
    sys.exit(0)
