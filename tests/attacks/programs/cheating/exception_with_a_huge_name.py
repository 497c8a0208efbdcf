# group: cheating
# problem: add
# verdict: runtime_error | output_limit
# must not: carry twenty megabytes to the judge
# why open: the name is cut to be reported, or counts as output
# --- program ---
Huge = type("E" * 20_000_000, (Exception,), {})


def add(a, b):
    raise Huge("x" * 20_000_000)
