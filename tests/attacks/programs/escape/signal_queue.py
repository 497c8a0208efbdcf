# group: escape
# problem: add
# verdict: runtime_error
# must not: signal another process by a system call that is not kill
# --- program ---
import ctypes
import platform

NUMBERS = {"x86_64": {"rt_sigqueueinfo": 129, "tgkill": 234, "tkill": 200}, "aarch64": {"rt_sigqueueinfo": 138, "tgkill": 131, "tkill": 130}}
libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    numbers = NUMBERS[platform.machine()]
    pid, sigurg = @CANARY_PID@, 23
    info = (ctypes.c_int * 32)(sigurg, 0, -1)
    sent = [
        libc.syscall(numbers["tkill"], pid, sigurg),
        libc.syscall(numbers["tgkill"], pid, pid, sigurg),
        libc.syscall(numbers["rt_sigqueueinfo"], pid, sigurg, info),
    ]
    if 0 not in sent:
        raise PermissionError("no signal was sent")
    return a + b
