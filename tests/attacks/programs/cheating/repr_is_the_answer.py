# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because its text is right
# --- program ---
class Liar:
    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return repr(self.value)

    __str__ = __repr__

    def __format__(self, spec):
        return repr(self.value)


def add(a, b):
    return Liar(a + b)
