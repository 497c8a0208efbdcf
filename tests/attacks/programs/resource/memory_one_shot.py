# group: resource
# problem: add_small
# verdict: memory_limit
# must not: be a runtime_error, or take the machine's memory
# --- program ---
def add(a, b):
    block = bytearray(1 << 33)
    return a + b + len(block) * 0
