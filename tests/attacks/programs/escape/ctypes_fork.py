# group: escape
# problem: add
# verdict: runtime_error
# must not: fork by a direct system call
# --- program ---
import ctypes
import platform
import time

NUMBERS = {"x86_64": (57, 58, 56), "aarch64": (220,)}
libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    for number in NUMBERS[platform.machine()]:
        if number == 58:
            continue  # vfork shares the stack: a child could not return safely
        pid = libc.syscall(number, 17, 0, 0, 0, 0)
        if pid == 0:
            time.sleep(5)
            libc._exit(0)
        if pid > 0:
            return a + b
    raise PermissionError("no process could be made")
