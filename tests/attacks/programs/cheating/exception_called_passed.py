# group: cheating
# problem: add
# verdict: runtime_error
# must not: pass because of its name
# --- program ---
class passed(Exception):
    outcome = "passed"
    passed = True


def add(a, b):
    raise passed("passed")
