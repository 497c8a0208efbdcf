# group: robustness
# problem: add
# verdict: passed
# must not: be a memory_limit at half of it
# --- program ---
def add(a, b):
    block = bytearray(64 << 20)
    return a + b + len(block) * 0
