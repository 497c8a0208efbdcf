# group: robustness
# problem: check_square
# verdict: runtime_error
# must not: pass because check is never reached
# --- program ---
# TODO
