# group: robustness
# problem: three_lines_fixed
# verdict: passed
# must not: fail or block because nobody reads the input
# --- program ---
print("1\n2\n3")
