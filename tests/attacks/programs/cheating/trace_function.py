# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: rewrite the harness's variables through a trace function
# why open: a child that spoils its own harness may fail before it answers
# control: yes
# --- program ---
import sys
import threading


def trace(frame, event, argument):
    frame.f_trace = trace
    for name in ("output", "expected", "exp", "want"):
        if name in frame.f_locals:
            raise SystemExit(0)
    return trace


sys.settrace(trace)
threading.settrace(trace)
frame = sys._getframe()
while frame is not None:
    frame.f_trace = trace
    frame = frame.f_back


def add(a, b):
    return None
