# group: cheating
# problem: histogram
# verdict: wrong_answer
# must not: pass because its items are computed when they are asked for
# --- program ---
class Lazy(dict):
    def __missing__(self, key):
        return 1

    def items(self):
        return [("a", 1)]

    def keys(self):
        return ["a"]


def histogram(text):
    return Lazy()
