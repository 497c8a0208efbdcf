# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because the process ended with status 0
# --- program ---
import os

os._exit(0)
