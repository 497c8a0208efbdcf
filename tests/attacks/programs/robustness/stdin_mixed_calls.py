# group: robustness
# problem: echo_upper
# verdict: passed
# must not: lose what a buffer read ahead
# --- program ---
import sys

print(input().upper())
print(sys.stdin.readline().rstrip("\n").upper())
for line in sys.stdin:
    print(line.rstrip("\n").upper())
