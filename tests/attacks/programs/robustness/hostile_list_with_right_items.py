# group: robustness
# problem: reverse_list
# verdict: passed
# must not: fail because its methods raise: the items are those of the base list
# --- program ---
class Prickly(list):
    def _refuse(self, *args):
        raise ValueError("hands off")

    __iter__ = __len__ = __getitem__ = __repr__ = __eq__ = __reduce__ = __contains__ = _refuse
    __hash__ = None


def reverse_list(xs):
    return Prickly(xs[::-1])
