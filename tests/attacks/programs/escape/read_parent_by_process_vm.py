# group: escape
# problem: add
# verdict: runtime_error
# must not: read another process's memory by address
# --- program ---
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


class Range(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def add(a, b):
    buffer = ctypes.create_string_buffer(64)
    here = Range(ctypes.addressof(buffer), 64)
    for pid in (os.getppid(), @CANARY_PID@):
        for address in (id(None), id(os), id(add)):
            there = Range(address & ~63, 64)
            if pid > 0 and libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0:
                return a + b
    raise PermissionError("no memory could be read")
