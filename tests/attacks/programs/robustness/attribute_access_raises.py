# group: robustness
# problem: add
# verdict: wrong_answer | runtime_error
# must not: raise in the judge
# why open: the value is not plain; an encoder that asks for an attribute meets the error in the child
# --- program ---
class Prickly:
    def __getattribute__(self, name):
        raise KeyboardInterrupt


def add(a, b):
    return Prickly()
