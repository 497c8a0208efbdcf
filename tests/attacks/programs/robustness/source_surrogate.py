# group: robustness
# problem: add
# verdict: compile_error
# must not: be a sandbox_error: half a surrogate pair is no UTF-8
# --- program ---
TEXT = 'í €'


def add(a, b):
    return a + b
