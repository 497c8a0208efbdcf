# group: robustness
# problem: sum_two
# verdict: runtime_error
# must not: pass: the exit status counts even after right output
# --- program ---
import sys

print(sum(map(int, input().split())))
sys.exit(1)
