# group: resource
# problem: add
# verdict: timeout
# must not: wait for a bytecode boundary: the loop is one C call
# --- program ---
def add(a, b):
    return sum(range(10**13)) * 0 + a + b
