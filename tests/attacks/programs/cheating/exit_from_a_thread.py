# group: cheating
# problem: add
# verdict: runtime_error
# must not: pass because the process ended with status 0 while a call was running
# control: yes
# --- program ---
import os
import threading
import time


def add(a, b):
    threading.Thread(target=os._exit, args=(0,), daemon=True).start()
    time.sleep(1)
    return 0
