# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error | timeout
# must not: pass because every function that the harness still needs is replaced through its code object
# why open: a child whose harness is replaced answers nothing right: it stops, dies or waits
# --- program ---
import gc
import types


def replacement(*args, **options):
    return True


for function in [item for item in gc.get_objects() if isinstance(item, types.FunctionType)]:
    if function is not replacement and not function.__code__.co_freevars and not str(function.__module__).startswith(("importlib", "types")):
        try:
            function.__code__ = replacement.__code__
        except (ValueError, AttributeError):
            pass


def add(a, b):
    return None
