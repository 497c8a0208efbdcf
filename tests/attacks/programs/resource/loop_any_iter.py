# group: resource
# problem: add
# verdict: timeout
# must not: wait for a bytecode boundary: the loop is one C call
# --- program ---
def add(a, b):
    any(iter(int, 1))
    return a + b
