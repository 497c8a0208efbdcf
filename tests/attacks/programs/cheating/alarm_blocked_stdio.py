# group: cheating
# problem: sum_two
# verdict: timeout
# must not: outlive the limit by blocking every signal that can be blocked
# --- program ---
import signal
import time

signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
a, b = map(int, input().split())
print(a + b, flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    pass
