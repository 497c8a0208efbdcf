# group: robustness
# problem: sum_two
# verdict: runtime_error
# must not: pass: a text as exit status is status 1
# --- program ---
import sys

print(sum(map(int, input().split())))
sys.exit("done")
