# group: resource
# problem: add
# verdict: runtime_error
# must not: hang on the worker's own standard input: a function's standard input is empty
# --- program ---
def add(a, b):
    return a + b + int(input())
