# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail: an orderly end is no error
# --- program ---
import sys

print(sum(map(int, input().split())))
sys.exit()
