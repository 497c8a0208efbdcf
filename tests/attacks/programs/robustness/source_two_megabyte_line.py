# group: robustness
# problem: add
# verdict: passed
# must not: be cut, or block while it is handed over
# generate: two_megabyte_line
# --- program ---
