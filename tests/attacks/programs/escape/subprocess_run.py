# group: escape
# problem: add
# verdict: runtime_error
# must not: start a program
# --- program ---
import subprocess


def add(a, b):
    return int(subprocess.run(["/bin/echo", str(a + b)], capture_output=True, check=True).stdout)
