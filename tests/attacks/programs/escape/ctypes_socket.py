# group: escape
# problem: add
# verdict: runtime_error
# must not: open a socket by a direct system call
# --- program ---
import ctypes
import platform

libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    if libc.syscall(number, 2, 1, 0) < 0 and libc.syscall(number, 1, 1, 0) < 0:
        raise PermissionError("no socket could be opened")
    return a + b
