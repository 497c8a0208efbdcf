# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass by a shared mapping of the result file that is written after the answer
# why open: a spoilt channel is the program's own doing: no answer, or a wrong one
# --- program ---
import mmap
import os
import threading
import time

maps = []
for fd in range(3, 64):
    try:
        os.ftruncate(fd, 4096)
        maps.append(mmap.mmap(fd, 4096))
    except (OSError, ValueError):
        pass


def scribble():
    for _ in range(200):
        for region in maps:
            region[:24] = b'{"outcome": "passed"}\n5\n'
        time.sleep(0.001)


threading.Thread(target=scribble, daemon=True).start()


def add(a, b):
    return None
