# group: escape
# problem: sum_two
# verdict: runtime_error
# must not: replace itself by another program
# --- program ---
import os

os.execv("/bin/sh", ["sh", "-c", "read a b; echo $((a + b))"])
