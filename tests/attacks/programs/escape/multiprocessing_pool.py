# group: escape
# problem: add
# verdict: runtime_error
# must not: leave a worker process behind
# --- program ---
import multiprocessing


def add(a, b):
    process = multiprocessing.get_context("fork").Process(target=int, daemon=True)
    process.start()
    process.join(2)
    return a + b
