# group: robustness
# problem: echo_upper
# verdict: passed
# must not: repeat the first line
# --- program ---
import sys

line = sys.stdin.readline()
while line:
    print(line.rstrip("\n").upper())
    line = sys.stdin.readline()
