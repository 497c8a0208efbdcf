# group: escape
# problem: add
# verdict: runtime_error
# must not: fork by clone3, which a filter on clone's flags does not see
# --- program ---
import ctypes
import time

libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17)
    pid = libc.syscall(435, arguments, 88)
    if pid == 0:
        time.sleep(5)
        libc._exit(0)
    if pid < 0:
        raise PermissionError("no process could be made")
    return a + b
