# group: robustness
# problem: sum_two
# verdict: passed
# must not: end before a thread that is no daemon has printed
# --- program ---
import threading
import time


def work():
    time.sleep(0.1)
    print(sum(map(int, input().split())))


threading.Thread(target=work).start()
