# group: robustness
# problem: add
# verdict: passed
# must not: fail because it is no function object
# --- program ---
class Add:
    def __call__(self, a, b):
        return a + b


add = Add()
