# group: escape
# problem: add
# verdict: runtime_error
# must not: find the secret in its own environment, cleared or not
# --- program ---
import ctypes
import os

WANTED = b"rlt-" + b"canary-"


def add(a, b):
    environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    index = 0
    while environ and environ[index]:
        if WANTED in environ[index]:
            return a + b
        index += 1
    if any(WANTED in key + value for key, value in os.environb.items()):
        return a + b
    raise KeyError("no secret in the environment")
