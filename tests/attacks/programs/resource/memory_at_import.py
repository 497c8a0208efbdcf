# group: resource
# problem: add_small
# verdict: memory_limit
# must not: be a compile_error: the program compiles, and its own statement asks for too much
# --- program ---
table = [0] * (10**10)


def add(a, b):
    return a + b
