# group: escape
# problem: add
# verdict: runtime_error
# must not: open another process's memory through /proc
# --- program ---
import os


def add(a, b):
    for pid in (os.getppid(), @CANARY_PID@, 1):
        if pid in (0, os.getpid()):
            continue
        try:
            with open(f"/proc/{pid}/mem", "rb"):
                return a + b
        except OSError:
            continue
    raise PermissionError("no memory file could be opened")
