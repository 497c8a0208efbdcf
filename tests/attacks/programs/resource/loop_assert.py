# group: resource
# problem: assert_add
# verdict: timeout
# must not: hold a worker longer than the CPU limit
# --- program ---
def add(a, b):
    while True:
        a, b = b, a
