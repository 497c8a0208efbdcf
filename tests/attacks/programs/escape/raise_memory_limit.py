# group: escape
# problem: add
# verdict: runtime_error
# must not: lift its own memory limit
# --- program ---
import resource


def add(a, b):
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return a + b
