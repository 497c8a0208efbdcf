# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail: Python reports an error in an exit handler and ends with status 0
# --- program ---
import atexit


@atexit.register
def stumble():
    raise ValueError("at exit")


print(sum(map(int, input().split())))
