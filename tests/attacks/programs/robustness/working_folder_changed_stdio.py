# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because the harness finds its way by the working folder
# --- program ---
import os

os.chdir("/")
print(sum(map(int, input().split())))
