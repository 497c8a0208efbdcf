# group: resource
# problem: add_small
# verdict: passed
# must not: be punished: the refused request did no harm and the answers are right
# --- program ---
def add(a, b):
    try:
        bytearray(1 << 33)
    except MemoryError:
        pass
    return a + b
