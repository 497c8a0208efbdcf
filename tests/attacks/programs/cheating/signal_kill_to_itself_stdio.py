# group: cheating
# problem: sum_two
# verdict: runtime_error
# must not: pass because the output is right
# --- program ---
import os
import signal

print(sum(map(int, input().split())), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
raise RuntimeError("not killed")
