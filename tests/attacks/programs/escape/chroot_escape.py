# group: escape
# problem: add
# verdict: runtime_error
# must not: change its root folder
# --- program ---
import os


def add(a, b):
    os.chroot("/usr")
    return a + b
