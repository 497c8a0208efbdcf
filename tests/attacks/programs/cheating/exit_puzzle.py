# group: cheating
# problem: puzzle_square
# verdict: runtime_error
# must not: pass because the predicate never said no
# --- program ---
import os


def solve():
    os._exit(0)
