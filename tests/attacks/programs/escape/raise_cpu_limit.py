# group: escape
# problem: add
# verdict: timeout
# must not: run on after lifting its own CPU limit
# --- program ---
import resource
import time

for wanted in ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), (resource.getrlimit(resource.RLIMIT_CPU)[1],) * 2):
    try:
        resource.setrlimit(resource.RLIMIT_CPU, wanted)
    except (ValueError, OSError):
        pass


def add(a, b):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass
    return a + b
