# group: escape
# problem: add
# verdict: runtime_error
# must not: reach a corner of the kernel that programs never need
# --- program ---
import ctypes
import platform

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
NUMBERS = {  # bpf, perf_event_open, userfaultfd, keyctl, fanotify_init, name_to_handle_at
    "x86_64": (321, 298, 323, 250, 300, 303),
    "aarch64": (280, 241, 282, 219, 262, 264),
}


def add(a, b):
    zeros = ctypes.create_string_buffer(256)
    bpf, perf, userfault, keyctl, fanotify, handle = NUMBERS[platform.machine()]
    results = [
        libc.syscall(425, 1, zeros),  # io_uring_setup
        libc.syscall(bpf, 0, zeros, 72),
        libc.syscall(perf, zeros, 0, -1, -1, 0),
        libc.syscall(userfault, 1),
        libc.syscall(keyctl, 0, -3, 1),
        libc.syscall(fanotify, 0, 0),
        libc.syscall(442, 0, 0),  # mount_setattr
    ]
    if max(results) < 0:
        raise PermissionError("every call was refused")
    return a + b
