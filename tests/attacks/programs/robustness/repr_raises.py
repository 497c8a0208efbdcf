# group: robustness
# problem: add
# verdict: wrong_answer
# must not: be a sandbox_error because the value cannot be shown
# --- program ---
class Silent:
    def __repr__(self):
        raise SystemExit(0)

    __str__ = __repr__


def add(a, b):
    return Silent()
