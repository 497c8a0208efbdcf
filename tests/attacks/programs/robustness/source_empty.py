# group: robustness
# problem: add
# verdict: runtime_error
# must not: pass, or be a compile_error: nothing is a program, but it has no add
# --- program ---
