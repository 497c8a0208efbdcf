# group: cheating
# problem: check_square
# verdict: runtime_error | wrong_answer
# must not: leave the tester waiting
# why open: the tester's peer has gone silent; its end is an error, and no answer is a right one
# --- program ---
import os


def square(n):
    os.closerange(0, 4096)
    return None
