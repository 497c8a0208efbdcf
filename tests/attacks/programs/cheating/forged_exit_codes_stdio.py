# group: cheating
# problem: sum_two
# verdict: runtime_error
# must not: be a sandbox_error or a timeout because of the number it exits with
# --- program ---
import os

print(sum(map(int, input().split())), flush=True)
os._exit(124)
