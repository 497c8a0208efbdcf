# group: resource
# problem: add_small
# verdict: memory_limit | runtime_error
# must not: take the machine's memory by a road that raises no MemoryError
# why open: a refused mapping raises OSError(ENOMEM): a program's error by its class, the memory limit by its number
# --- program ---
import mmap


def add(a, b):
    region = mmap.mmap(-1, 1 << 32)
    for offset in range(0, 1 << 30, 4096):
        region[offset] = 1
    return a + b
