# group: robustness
# problem: echo_upper
# verdict: passed
# must not: fail because descriptor 0 is not the input
# --- program ---
for line in open(0, "rb"):
    print(line.decode().rstrip("\n").upper())
