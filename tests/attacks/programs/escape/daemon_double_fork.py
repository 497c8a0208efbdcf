# group: escape
# problem: add
# verdict: runtime_error
# must not: outlive the verdict
# --- program ---
import os
import time


def add(a, b):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(10)
            try:
                open("@CANARY_DIR@/rl-train-canary-daemon", "w").close()
            finally:
                os._exit(0)
        os._exit(0)
    return a + b
