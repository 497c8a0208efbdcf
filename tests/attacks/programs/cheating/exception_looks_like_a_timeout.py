# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a timeout: it used no time
# --- program ---
def add(a, b):
    raise TimeoutError("time limit exceeded")
