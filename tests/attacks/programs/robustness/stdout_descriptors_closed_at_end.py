# group: robustness
# problem: sum_two
# verdict: passed
# must not: be a sandbox_error because every descriptor is closed
# --- program ---
import os

print(sum(map(int, input().split())), flush=True)
os.closerange(3, 4096)
