# group: robustness
# problem: add
# verdict: compile_error
# must not: be a sandbox_error, or crash the judge that reads the source
# --- program ---
NAME = 'café'


def add(a, b):
    return a + b
