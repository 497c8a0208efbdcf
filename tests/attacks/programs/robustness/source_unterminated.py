# group: robustness
# problem: add
# verdict: compile_error
# must not: be a runtime_error
# --- program ---
def add(a, b):
    return (a + b
