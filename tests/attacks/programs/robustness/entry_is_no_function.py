# group: robustness
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error
# --- program ---
add = 5
