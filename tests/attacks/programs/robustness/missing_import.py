# group: robustness
# problem: add
# verdict: runtime_error
# must not: be a compile_error or a sandbox_error
# --- program ---
import a_module_that_nobody_has


def add(a, b):
    return a + b
