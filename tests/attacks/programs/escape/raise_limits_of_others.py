# group: escape
# problem: add
# verdict: runtime_error
# must not: change the limits of another process
# --- program ---
import os
import resource


def add(a, b):
    for pid in (os.getppid(), @CANARY_PID@):
        if pid <= 0:
            continue
        try:
            resource.prlimit(pid, resource.RLIMIT_CORE, resource.prlimit(pid, resource.RLIMIT_CORE))  # changes nothing
            return a + b
        except OSError:
            continue
    raise PermissionError("no other process's limits could be set")
