# group: escape
# problem: add
# verdict: passed | runtime_error
# must not: be a sandbox_error: the program starves itself, and its answers or its silence are its own
# why open: a child that can no longer write a byte may still answer by a road that needs none
# --- program ---
import resource

for name in ("RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_STACK"):
    try:
        resource.setrlimit(getattr(resource, name), (0, 0))
    except (ValueError, OSError):
        pass


def add(a, b):
    return a + b
