# group: cheating
# problem: assert_add
# verdict: wrong_answer
# must not: pass because AssertionError is no longer an error
# --- program ---
import builtins


class Quiet(BaseException):
    def __init__(self, *args):
        pass


builtins.AssertionError = Quiet


def add(a, b):
    return 0
