# group: escape
# problem: add
# verdict: runtime_error
# must not: reach another program's process that runs as the same worker user
# --- program ---
import os


def add(a, b):
    for pid in range(2, 5000):
        if pid == os.getpid():
            continue
        try:
            with open(f"/proc/{pid}/maps") as file:
                file.readline()
            return a + b
        except OSError:
            pass
        try:
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))  # changes nothing
            return a + b
        except OSError:
            continue
    raise PermissionError("no other process could be reached")
