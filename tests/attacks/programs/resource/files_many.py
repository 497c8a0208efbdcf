# group: resource
# problem: add
# verdict: runtime_error
# must not: leave files on the machine
# --- program ---
import os

FOLDERS = ["@CANARY_DIR@", "/tmp", "/var/tmp", "/dev/shm", "."]


def add(a, b):
    made = 0
    for folder in FOLDERS:
        try:
            for index in range(50):
                with open(os.path.join(folder, f"rl-train-canary-many-{index}"), "w"):
                    made += 1
        except OSError:
            pass
    if made == 0:
        raise OSError("no file could be made")
    return a + b
