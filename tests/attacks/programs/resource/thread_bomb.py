# group: resource
# problem: add
# verdict: runtime_error | memory_limit
# must not: exhaust the machine's threads or break the worker
# why open: a thread that cannot start raises RuntimeError, but the same address-space limit may answer with MemoryError first
# --- program ---
import threading

stop = threading.Event()


def add(a, b):
    for _ in range(5000):
        threading.Thread(target=stop.wait, args=(60,), daemon=True).start()
    return a + b
