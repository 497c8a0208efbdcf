# group: resource
# problem: add
# verdict: memory_limit
# must not: be folded at compile time, or be a compile_error
# --- program ---
BLOB = ("x" * 4000) * 4000 * 4000


def add(a, b):
    return a + b
