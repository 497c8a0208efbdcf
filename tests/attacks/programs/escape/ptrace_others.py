# group: escape
# problem: add
# verdict: runtime_error
# must not: trace the parent or another process
# --- program ---
import ctypes
import os

PTRACE_SEIZE = 0x4206
libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    for pid in (os.getppid(), @CANARY_PID@):
        if pid > 0 and libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0:
            return a + b
    raise PermissionError("no process could be traced")
