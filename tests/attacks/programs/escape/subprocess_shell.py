# group: escape
# problem: add
# verdict: runtime_error
# must not: start a shell
# --- program ---
import os


def add(a, b):
    if os.system("exit 7") >> 8 != 7:
        raise PermissionError("no shell was started")
    return a + b
