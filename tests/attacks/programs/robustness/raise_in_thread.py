# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail: Python reports an error in a thread and ends with status 0
# --- program ---
import threading


def stumble():
    raise ValueError("in a thread")


thread = threading.Thread(target=stumble)
thread.start()
thread.join()
print(sum(map(int, input().split())))
