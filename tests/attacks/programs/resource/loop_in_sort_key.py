# group: resource
# problem: reverse_list
# verdict: timeout
# must not: wait for the sort to return
# --- program ---
class Slow(int):
    def __lt__(self, other):
        while True:
            pass


def reverse_list(xs):
    sorted(map(Slow, range(5)))
    return xs[::-1]
