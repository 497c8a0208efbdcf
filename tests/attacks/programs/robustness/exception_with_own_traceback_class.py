# group: robustness
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error because the error has no line
# --- program ---
def add(a, b):
    exec(compile("\n" * 100000 + "raise ValueError", "elsewhere\n.py", "exec"))
