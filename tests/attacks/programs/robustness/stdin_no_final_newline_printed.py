# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because the last newline is missing
# --- program ---
print(sum(map(int, input().split())), end="")
