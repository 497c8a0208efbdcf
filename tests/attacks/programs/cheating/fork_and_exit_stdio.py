# group: cheating
# problem: sum_two
# verdict: runtime_error
# must not: pass by a child that prints after its parent has gone
# --- program ---
import os
import time

a, b = map(int, input().split())
if os.fork() != 0:
    os._exit(0)
time.sleep(0.2)
print(a + b)
