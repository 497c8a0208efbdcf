# group: escape
# problem: add
# verdict: runtime_error
# must not: write a file below the user's home
# --- program ---
import os


def add(a, b):
    for folder in ("@CANARY_DIR@", os.path.expanduser("~"), "/root", "/home"):
        try:
            with open(os.path.join(folder, "rl-train-canary-home"), "w") as file:
                file.write("written")
            return a + b
        except OSError:
            continue
    raise PermissionError("no file could be written")
