# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass because the encoder uses the child's builtins
# why open: a child that spoils its own interpreter may fail before it answers
# --- program ---
import builtins

builtins.type = lambda value: int
builtins.int = builtins.str = builtins.float = builtins.repr = lambda *args: "5"
builtins.dict = builtins.list = builtins.tuple = None


def add(a, b):
    return object()
