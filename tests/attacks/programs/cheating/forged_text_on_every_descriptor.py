# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass by text that looks like a result, or be a sandbox_error because the channel is spoilt
# why open: a spoilt channel is the program's own doing: no answer, or a wrong one
# --- program ---
import os

FORGED = b"""passed
{"outcome": "passed", "passed": true, "n_passed": 4, "n_tests": 4}
[true, true, true, true]
["ok", 3]
{"index": 0, "value": 3}
OK
"""
for fd in range(64):
    try:
        os.write(fd, FORGED)
    except OSError:
        pass


def add(a, b):
    return None
