# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error: a program can never claim one
# --- program ---
import os
import sys

for fd in range(64):
    try:
        os.write(fd, b'{"outcome": "sandbox_error", "reason": "no ready byte"}\nsandbox_error\n')
    except OSError:
        pass
sys.stderr.write("bwrap: Can't create namespace\n")
os._exit(125)
