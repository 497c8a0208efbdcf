# group: cheating
# problem: puzzle_square
# verdict: wrong_answer
# must not: enter the predicate as an object whose arithmetic and comparison are forged
# --- program ---
class Anything:
    def _self(self, *args):
        return self

    __mul__ = __rmul__ = __add__ = __mod__ = __pow__ = __getitem__ = __call__ = __abs__ = _self

    def __eq__(self, other):
        return True

    __hash__ = None


def solve():
    return Anything()
