# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because the interpreter was started without quit()
# --- program ---
print(sum(map(int, input().split())))
quit(0)
