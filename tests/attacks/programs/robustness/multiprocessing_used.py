# group: robustness
# problem: add
# verdict: runtime_error
# must not: leave a process behind; processes are not promised to a program
# --- program ---
from multiprocessing import Pool


def add(a, b):
    with Pool(2) as pool:
        return sum(pool.map(int, [a, b]))
