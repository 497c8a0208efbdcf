# group: resource
# problem: add
# verdict: runtime_error
# must not: keep a gibibyte outside the address-space limit
# --- program ---
import os

kept = []


def add(a, b):
    for _ in range(16):
        fd = os.memfd_create("hoard")
        kept.append(fd)
        for _ in range(64):
            if os.write(fd, b"x" * (1 << 20)) != 1 << 20:
                raise OSError("short write")
    return a + b
