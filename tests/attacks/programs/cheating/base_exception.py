# group: cheating
# problem: add
# verdict: runtime_error
# must not: slip past `except Exception`
# --- program ---
class Beyond(BaseException):
    pass


def add(a, b):
    raise Beyond
