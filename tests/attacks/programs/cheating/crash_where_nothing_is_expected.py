# group: cheating
# problem: silent
# verdict: runtime_error
# must not: pass because an empty output is expected
# --- program ---
import sys

sys.exit(1)
