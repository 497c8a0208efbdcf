# group: cheating
# problem: reverse_list
# verdict: wrong_answer
# must not: pass by an answer that is filled in after it was returned
# --- program ---
import threading
import time


def reverse_list(xs):
    answer = ["not", "yet"]

    def fill():
        time.sleep(0.2)
        answer[:] = xs[::-1]

    threading.Thread(target=fill, daemon=True).start()
    return answer
