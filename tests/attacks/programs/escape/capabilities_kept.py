# group: escape
# problem: add
# verdict: runtime_error
# must not: hold a capability that root or a user namespace left behind
# --- program ---
import ctypes

libc = ctypes.CDLL(None, use_errno=True)


def add(a, b):
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    if libc.capget(header, data) != 0 or not (data[0] or data[3]):
        raise PermissionError("no capability is held")
    return a + b
