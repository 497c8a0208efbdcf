# group: cheating
# problem: add
# verdict: runtime_error | wrong_answer
# must not: pass: the process ends while a wrong answer is dropped
# why open: the first answer is wrong where it was written before the object is dropped, and missing otherwise
# --- program ---
import os


class Bomb:
    def __del__(self):
        os._exit(0)


def add(a, b):
    return Bomb()
