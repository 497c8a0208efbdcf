# group: resource
# problem: add_small
# verdict: memory_limit
# must not: be a runtime_error, or take the machine's memory
# --- program ---
def add(a, b):
    blocks = []
    for _ in range(4096):
        blocks.append(b"x" * (1 << 20))
    return a + b
