# group: resource
# problem: add_small
# verdict: passed | memory_limit
# must not: be a sandbox_error because the child has no memory left to write its answer
# why open: the answers are right, but whether a starved child still manages to hand them over depends on what it must allocate
# --- program ---
hoard = []
size = 1 << 24
while size >= 64:
    try:
        hoard.append(bytearray(size))
    except MemoryError:
        size //= 2
    if len(hoard) > 200000:
        break


def add(a, b):
    return a + b
