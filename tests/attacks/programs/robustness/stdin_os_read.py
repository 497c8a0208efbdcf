# group: robustness
# problem: echo_upper
# verdict: passed
# must not: fail because descriptor 0 is a pipe that gives a piece at a time
# --- program ---
import os

print(os.read(0, os.fstat(0).st_size).decode().upper())
