# group: robustness
# problem: echo_upper
# verdict: passed
# must not: fail because standard input is no real file
# --- program ---
import sys

for line in sys.stdin:
    print(line.strip("\n").upper())
