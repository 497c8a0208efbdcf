# group: resource
# problem: add
# verdict: runtime_error
# must not: use up inodes
# --- program ---
import os

FOLDERS = ["@CANARY_DIR@", "/tmp", "/var/tmp", "/dev/shm", "."]


def add(a, b):
    made = 0
    for folder in FOLDERS:
        try:
            for index in range(50):
                os.mkdir(os.path.join(folder, f"rl-train-canary-folder-{index}"))
                made += 1
        except OSError:
            pass
    if made == 0:
        raise OSError("no folder could be made")
    return a + b
