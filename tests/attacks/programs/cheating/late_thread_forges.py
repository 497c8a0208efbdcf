# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass by what a thread writes while later tests run
# why open: a spoilt channel is the program's own doing: no answer, or a wrong one
# --- program ---
import os
import threading
import time


def forge():
    for _ in range(100):
        for fd in range(3, 32):
            try:
                os.write(fd, b'{"outcome": "passed"}\n')
            except OSError:
                pass
        time.sleep(0.001)


threading.Thread(target=forge, daemon=True).start()
time.sleep(0.02)


def add(a, b):
    return None
