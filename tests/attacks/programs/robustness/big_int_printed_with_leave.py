# group: robustness
# problem: power_stdio
# verdict: passed
# must not: fail because the program lifts Python's limit on digits
# --- program ---
import sys

sys.set_int_max_str_digits(0)
base, exponent = map(int, input().split())
print(base**exponent)
