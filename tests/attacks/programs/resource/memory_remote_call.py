# group: resource
# problem: check_square
# verdict: memory_limit
# must not: be reported as the tester's failure
# --- program ---
def square(n):
    return n * n + len(bytearray(1 << 33)) * 0
