# group: robustness
# problem: add
# verdict: passed
# must not: fail because no thread can be started
# --- program ---
from concurrent.futures import ThreadPoolExecutor


def add(a, b):
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(int, [a, b]))
