# group: resource
# problem: sum_two
# verdict: timeout
# must not: be killed silently and pass
# --- program ---
import atexit
import time


@atexit.register
def linger():
    time.sleep(60)


a, b = map(int, input().split())
print(a + b, flush=True)
