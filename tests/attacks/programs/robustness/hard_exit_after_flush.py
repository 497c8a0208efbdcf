# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail: what was flushed is in the file
# --- program ---
import os

print(sum(map(int, input().split())), flush=True)
os._exit(0)
