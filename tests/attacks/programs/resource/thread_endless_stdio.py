# group: resource
# problem: sum_two
# verdict: timeout
# must not: pass: a program that never ends has not solved the task, as under a plain interpreter
# --- program ---
import threading
import time

a, b = map(int, input().split())
print(a + b, flush=True)
threading.Thread(target=time.sleep, args=(60,)).start()
