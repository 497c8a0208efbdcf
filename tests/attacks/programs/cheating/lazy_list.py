# group: cheating
# problem: reverse_list
# verdict: wrong_answer
# must not: pass because its iterator computes what its items are not
# --- program ---
class Lazy(list):
    def __init__(self, xs):
        super().__init__()
        self.xs = xs

    def __iter__(self):
        return iter(self.xs[::-1])

    def __len__(self):
        return len(self.xs)

    def __getitem__(self, index):
        return self.xs[::-1][index]


def reverse_list(xs):
    return Lazy(xs + [0])
