# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: run code in the judge
# why open: the object is not plain and therefore unequal; an encoder that copies it may meet its hostile methods in the child
# --- program ---
class Payload:
    def __reduce__(self):
        return open, ("@CANARY_DIR@/rl-train-canary-pickle", "w")

    __reduce_ex__ = __getstate__ = __deepcopy__ = lambda self, *args: self.__reduce__()


def add(a, b):
    return Payload()
