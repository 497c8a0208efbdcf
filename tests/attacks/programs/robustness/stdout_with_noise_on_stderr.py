# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because something is printed on standard error
# --- program ---
import sys
import warnings

print("debug", file=sys.stderr)
warnings.warn("careful")
print(sum(map(int, input().split())))
