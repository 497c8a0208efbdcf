# group: robustness
# problem: add
# verdict: passed
# must not: fail because a clock or a time zone cannot be read
# --- program ---
import datetime
import time


def add(a, b):
    time.time(), time.monotonic(), time.perf_counter_ns(), time.process_time(), time.thread_time()
    datetime.datetime.now(), datetime.datetime.now(datetime.timezone.utc), time.localtime(), time.strftime("%c")
    time.sleep(0.001)
    return a + b
