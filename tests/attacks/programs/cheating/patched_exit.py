# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: run on after the harness has ended the child
# why open: a child that cannot leave may die instead
# --- program ---
import os
import sys
import time

os._exit = sys.exit = os.abort = lambda *args: time.sleep(0.01)


def add(a, b):
    return None
