# group: escape
# problem: add
# verdict: runtime_error
# must not: take a descriptor of another process
# --- program ---
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    for pid in (os.getppid(), @CANARY_PID@):
        if pid <= 0:
            continue
        pidfd = libc.syscall(434, pid, 0)
        if pidfd < 0:
            continue
        for number in range(8):
            if libc.syscall(438, pidfd, number, 0) >= 0:
                return a + b
        if libc.syscall(424, pidfd, 23, None, 0) == 0:
            return a + b
    raise PermissionError("no process could be opened")
