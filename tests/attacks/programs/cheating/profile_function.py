# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: leave through a profile function as soon as the harness looks at the answer
# why open: a child that ends itself has given no answer
# --- program ---
import os
import sys


def profile(frame, event, argument):
    if event == "c_call" and getattr(argument, "__name__", "") in ("write", "dumps", "_exit"):
        os._exit(0)


def add(a, b):
    sys.setprofile(profile)
    return None
