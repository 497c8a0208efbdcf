# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass by filling the harness's own result variables
# why open: a child that spoils its own harness may fail before it answers
# control: yes
# --- program ---
import sys


def add(a, b):
    frame = sys._getframe(1)
    while frame is not None:
        for name, value in list(frame.f_locals.items()):
            if type(value) is list and name in ("results", "result", "outcomes", "failures", "errors", "failed"):
                value[:] = ["passed"] * 4 if name in ("results", "result", "outcomes") else []
        frame = frame.f_back
    return None
