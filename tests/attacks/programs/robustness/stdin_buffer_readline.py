# group: robustness
# problem: echo_upper
# verdict: passed
# must not: repeat the first line
# --- program ---
import sys

for line in iter(sys.stdin.buffer.readline, b""):
    print(line.decode().rstrip("\n").upper())
