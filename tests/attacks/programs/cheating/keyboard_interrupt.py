# group: cheating
# problem: add
# verdict: runtime_error
# must not: stop the grader
# --- program ---
def add(a, b):
    raise KeyboardInterrupt
