# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because the interpreter was started without exit()
# --- program ---
print(sum(map(int, input().split())))
exit()
