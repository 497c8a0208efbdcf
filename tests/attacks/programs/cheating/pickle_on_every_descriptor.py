# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: run code in the judge
# why open: a spoilt channel is the program's own doing: no answer, or a wrong one
# --- program ---
import os
import pickle


class Payload:
    def __reduce__(self):
        return open, ("@CANARY_DIR@/rl-train-canary-pickle", "w")


payload = pickle.dumps(Payload())
for fd in range(64):
    try:
        os.write(fd, payload)
    except OSError:
        pass


def add(a, b):
    return None
