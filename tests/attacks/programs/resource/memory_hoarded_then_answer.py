# group: resource
# problem: add_small
# verdict: passed | memory_limit | runtime_error
# must not: be a sandbox_error because the child has no memory left to write its answer
# why open: the answers are right, but a child that starved itself may be unable to hand them over, or even to say what it lacked
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
