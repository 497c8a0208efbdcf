# group: robustness
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error because the error cannot be shown
# --- program ---
class Silent(Exception):
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


def add(a, b):
    raise Silent
