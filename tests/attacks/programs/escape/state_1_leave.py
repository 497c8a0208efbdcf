# group: escape
# problem: add
# verdict: passed
# must not: leave anything that state_2_find finds
# --- program ---
import builtins
import os
import sys
import tempfile

MARK = "rl-train-canary-state"
os.environ[MARK] = "left"
setattr(builtins, MARK, True)
setattr(sys, MARK, True)
for folder in ("/tmp", "/var/tmp", "/dev/shm", ".", "@CANARY_DIR@", "/run"):
    try:
        with open(os.path.join(folder, MARK), "w") as file:
            file.write("left")
    except OSError:
        pass
kept = ["rl-train-left-%04x" % number for number in range(1000)]


def add(a, b):
    return a + b
