# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because its text is right
# --- program ---
class Liar(int):
    def __new__(cls, value):
        self = super().__new__(cls, value + 1)
        self.told = value
        return self

    def __repr__(self):
        return str(self.told)

    __str__ = __repr__

    def __index__(self):
        return self.told

    __int__ = __index__


def add(a, b):
    return Liar(a + b)
