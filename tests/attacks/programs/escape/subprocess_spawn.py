# group: escape
# problem: add
# verdict: runtime_error
# must not: start a program by posix_spawn
# --- program ---
import os


def add(a, b):
    pid = os.posix_spawn("/bin/true", ["true"], {})
    if os.waitpid(pid, 0)[1] != 0:
        raise PermissionError("no program was started")
    return a + b
