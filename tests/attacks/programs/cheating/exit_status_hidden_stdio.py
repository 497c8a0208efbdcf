# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because a crash is turned into status 0: nothing was printed
# --- program ---
import os
import sys

sys.excepthook = lambda *args: os._exit(0)
raise ValueError("hook me")
