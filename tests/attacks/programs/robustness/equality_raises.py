# group: robustness
# problem: add
# verdict: wrong_answer
# must not: raise in the judge
# --- program ---
class Prickly:
    def __eq__(self, other):
        raise ValueError("do not compare")

    __ne__ = __eq__

    def __hash__(self):
        raise ValueError("do not hash")


def add(a, b):
    return Prickly()
