# group: robustness
# problem: echo_upper
# verdict: passed
# must not: fail because standard input cannot be read twice
# --- program ---
import sys

first = sys.stdin.read()
sys.stdin.seek(0)
second = sys.stdin.read()
print(second.upper() if first == second else "different")
