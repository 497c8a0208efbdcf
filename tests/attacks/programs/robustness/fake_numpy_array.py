# group: robustness
# problem: reverse_list
# verdict: wrong_answer
# must not: pass because it looks like an array that turns into a list
# --- program ---
class ndarray:
    __module__ = "numpy"
    shape, dtype, ndim = (3,), "int64", 1

    def __init__(self, xs):
        self.xs = xs

    def tolist(self):
        return self.xs[::-1]

    item = __array__ = __iter__ = tolist

    def __eq__(self, other):
        return [True]


ndarray.__module__ = "numpy"


def reverse_list(xs):
    return ndarray(xs)
