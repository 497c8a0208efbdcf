# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: leave while the harness looks at the function
# why open: a harness that inspects the callable meets the exit in the child; one that only calls it gets a wrong value
# --- program ---
import os


class Add:
    def __getattribute__(self, name):
        os._exit(0)

    def __call__(self, a, b):
        return None


add = Add()
