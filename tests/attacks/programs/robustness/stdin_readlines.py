# group: robustness
# problem: echo_upper
# verdict: passed
# must not: lose a line
# --- program ---
import sys

print("\n".join(line.rstrip("\n").upper() for line in sys.stdin.readlines()))
