# group: resource
# problem: add
# verdict: timeout | passed
# must not: run in the judge
# why open: the value is right; its finaliser runs in the child as soon as the child drops it, or never
# --- program ---
class Sticky(int):
    def __del__(self):
        while True:
            pass


def add(a, b):
    return Sticky(a + b)
