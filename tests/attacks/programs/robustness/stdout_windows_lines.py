# group: robustness
# problem: three_lines
# verdict: passed
# must not: fail because of carriage returns at the ends of lines
# --- program ---
import sys

n = int(input())
sys.stdout.write("\r\n".join(str(n + i) for i in (1, 2, 3)) + "\r\n")
