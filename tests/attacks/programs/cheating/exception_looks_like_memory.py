# group: cheating
# problem: add
# verdict: memory_limit | runtime_error
# must not: be a sandbox_error
# why open: a raised MemoryError cannot be told from a refused allocation, which leaves no trace
# --- program ---
def add(a, b):
    raise MemoryError
