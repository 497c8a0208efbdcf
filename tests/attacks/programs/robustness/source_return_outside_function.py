# group: robustness
# problem: add
# verdict: compile_error
# must not: run because it was wrapped in a function
# --- program ---
def add(a, b):
    return a + b


return add
