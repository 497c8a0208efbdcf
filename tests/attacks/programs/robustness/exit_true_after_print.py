# group: robustness
# problem: sum_two
# verdict: runtime_error
# must not: pass: True as exit status is status 1
# --- program ---
print(sum(map(int, input().split())))
raise SystemExit(True)
