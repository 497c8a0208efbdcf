# group: robustness
# problem: add
# verdict: wrong_answer
# must not: overflow the stack of the judge
# --- program ---
class Loop:
    def __repr__(self):
        return repr(self)

    __str__ = __repr__


def add(a, b):
    return Loop()
