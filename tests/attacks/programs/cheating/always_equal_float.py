# group: cheating
# problem: mean
# verdict: wrong_answer
# must not: pass because it is a float
# control: yes
# --- program ---
class Equal(float):
    def _true(self, *args):
        return True

    def _zero(self, *args):
        return 0.0

    __eq__ = __le__ = __lt__ = __ge__ = __gt__ = _true
    __sub__ = __rsub__ = __abs__ = __float__ = _zero
    __hash__ = float.__hash__


def mean(xs):
    return Equal(12345.0)
