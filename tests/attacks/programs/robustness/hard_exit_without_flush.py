# group: robustness
# problem: sum_two
# verdict: wrong_answer
# must not: pass because the harness flushes for it
# --- program ---
import os

print(sum(map(int, input().split())))
os._exit(0)
