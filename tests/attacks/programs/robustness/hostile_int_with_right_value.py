# group: robustness
# problem: add
# verdict: passed
# must not: fail because its methods lie: the value is that of the base int
# --- program ---
class Liar(int):
    def __repr__(self):
        return "-1"

    def __index__(self):
        return -1

    __str__ = __format__ = __repr__
    __int__ = __index__

    def __eq__(self, other):
        return False

    __hash__ = int.__hash__


def add(a, b):
    return Liar(a + b)
