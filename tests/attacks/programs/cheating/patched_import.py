# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass because a module that the harness imports later is the program's own
# why open: a child that spoils its own interpreter may fail before it answers
# --- program ---
import builtins


class Fake:
    def __getattr__(self, name):
        return lambda *args, **options: "5"


builtins.__import__ = lambda *args, **options: Fake()


def add(a, b):
    return None
