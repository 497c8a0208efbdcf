# group: escape
# problem: add
# verdict: runtime_error
# must not: mount a file system or leave a mount
# --- program ---
import ctypes

libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0 or libc.syscall(430, b"tmpfs", 0) >= 0:  # fsopen
        return a + b
    raise PermissionError("nothing could be mounted")
