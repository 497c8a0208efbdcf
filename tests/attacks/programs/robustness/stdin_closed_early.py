# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because a descriptor is closed at exit
# --- program ---
import os
import sys

a, b = map(int, sys.stdin.readline().split())
sys.stdin.close()
print(a + b)
