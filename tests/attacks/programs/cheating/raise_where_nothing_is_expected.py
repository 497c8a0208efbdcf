# group: cheating
# problem: blank
# verdict: runtime_error
# must not: pass because a program that raises gives an empty answer, and an empty answer is expected
# --- program ---
def blank(n):
    raise ValueError
