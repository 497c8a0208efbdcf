# group: escape
# problem: add
# verdict: runtime_error
# must not: leave a segment that outlives the process
# --- program ---
import ctypes

libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    segment = libc.shmget(0, 4096, 0o1600)
    queue = libc.msgget(0, 0o1600)
    if segment >= 0:
        libc.shmctl(segment, 0, None)
    if queue >= 0:
        libc.msgctl(queue, 0, None)
    if segment < 0 and queue < 0:
        raise PermissionError("no segment could be made")
    return a + b
