# group: escape
# problem: add
# verdict: runtime_error
# must not: enter a new user, mount, process or network namespace
# --- program ---
import ctypes

libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000):
        if libc.unshare(flag) == 0:
            return a + b
    raise PermissionError("no namespace could be made")
