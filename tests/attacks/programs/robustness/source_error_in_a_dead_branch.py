# group: robustness
# problem: add
# verdict: compile_error
# must not: pass because the branch is never taken
# --- program ---
def add(a, b):
    if False:
        return a +
    return a + b
