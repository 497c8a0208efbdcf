# group: resource
# problem: add
# verdict: runtime_error
# must not: leave a segment in /dev/shm
# --- program ---
from multiprocessing.shared_memory import SharedMemory


def add(a, b):
    segment = SharedMemory(name="rl-train-canary-segment", create=True, size=1 << 20)
    segment.close()
    return a + b
