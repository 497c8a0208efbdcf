# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass because the judge uses the child's builtins
# why open: a child that spoils its own interpreter may fail before it answers
# --- program ---
import builtins
import operator

builtins.all = builtins.any = builtins.isinstance = builtins.bool = lambda *args: True
operator.eq = lambda *args: True
builtins.abs = builtins.len = builtins.max = builtins.min = lambda *args: 0


def add(a, b):
    return None
