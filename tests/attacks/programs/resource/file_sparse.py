# group: resource
# problem: add
# verdict: runtime_error
# must not: make a file of a terabyte
# --- program ---
import os

FOLDERS = ["@CANARY_DIR@", "/tmp", "/var/tmp", "/dev/shm", "."]


def add(a, b):
    made = 0
    for folder in FOLDERS:
        try:
            with open(os.path.join(folder, "rl-train-canary-sparse"), "wb") as file:
                made += 1
                file.truncate(1 << 40)
        except OSError:
            pass
    if made == 0:
        raise OSError("no file could be made")
    return a + b
