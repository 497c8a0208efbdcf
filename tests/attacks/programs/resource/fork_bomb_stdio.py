# group: resource
# problem: sum_two
# verdict: runtime_error
# must not: leave a child behind that holds standard output open
# --- program ---
import os
import time

a, b = map(int, input().split())
for _ in range(100):
    if os.fork() == 0:
        time.sleep(10)
        os._exit(0)
print(a + b)
