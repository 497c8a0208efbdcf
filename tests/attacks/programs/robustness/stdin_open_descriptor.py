# group: robustness
# problem: echo_upper
# verdict: passed
# must not: fail because descriptor 0 is not the input
# --- program ---
print(open(0).read().upper())
