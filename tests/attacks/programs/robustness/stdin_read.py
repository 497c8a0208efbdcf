# group: robustness
# problem: echo_upper
# verdict: passed
# must not: lose the last line
# --- program ---
import sys

print(sys.stdin.read().upper())
