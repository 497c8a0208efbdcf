# group: resource
# problem: sum_two
# verdict: timeout | runtime_error
# must not: leave a stopped process that nobody reaps, or pass by the line printed before
# why open: a stop that takes effect ends at the wall limit; a stop that is refused or ignored goes on to the error
# --- program ---
import os
import signal

a, b = map(int, input().split())
print(a + b, flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
raise RuntimeError("not stopped")
