# group: resource
# problem: sum_two
# verdict: timeout
# must not: pass because the right line was printed first
# --- program ---
import time

a, b = map(int, input().split())
print(a + b, flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    pass
