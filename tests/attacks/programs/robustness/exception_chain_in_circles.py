# group: robustness
# problem: add
# verdict: runtime_error
# must not: follow the chain for ever
# --- program ---
def add(a, b):
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    first.__context__, second.__context__ = second, first
    raise first
