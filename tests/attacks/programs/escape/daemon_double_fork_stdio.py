# group: escape
# problem: sum_two
# verdict: runtime_error
# must not: outlive the verdict with standard output open
# --- program ---
import os
import time

a, b = map(int, input().split())
if os.fork() == 0:
    os.setsid()
    time.sleep(10)
    os._exit(0)
print(a + b)
