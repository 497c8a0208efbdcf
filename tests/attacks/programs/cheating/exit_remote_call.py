# group: cheating
# problem: check_square
# verdict: runtime_error
# must not: pass because no assertion failed, or leave the tester waiting
# --- program ---
import os


def square(n):
    os._exit(0)
