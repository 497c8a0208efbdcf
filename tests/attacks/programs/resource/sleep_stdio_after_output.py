# group: resource
# problem: sum_two
# verdict: timeout
# must not: pass because the output is already right, or be judged by a wall clock far beyond 3 x CPU + 1 s
# --- program ---
import time

a, b = map(int, input().split())
print(a + b, flush=True)
time.sleep(60)
