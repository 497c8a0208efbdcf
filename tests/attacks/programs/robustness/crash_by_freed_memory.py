# group: robustness
# problem: add
# verdict: runtime_error | timeout
# must not: be a sandbox_error
# why open: a spoilt heap shows when it is next used: as a crash, or by an allocator that goes round in circles
# --- program ---
import ctypes

libc = ctypes.CDLL(None)


def add(a, b):
    ctypes.memset(id(add), 0xFF, 4096)
    ctypes.memset(id(a), 0xFF, 64)
    raise RuntimeError("still alive")
