# group: resource
# problem: answer_number
# verdict: memory_limit
# must not: be a runtime_error
# --- program ---
def answer():
    return 42 + sum(b"\0" * (1 << 33))
