# group: cheating
# problem: check_square
# verdict: runtime_error
# must not: pass because no assertion failed
# --- program ---
import os

os._exit(0)
