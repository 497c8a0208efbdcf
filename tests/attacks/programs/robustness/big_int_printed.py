# group: robustness
# problem: sum_two
# verdict: runtime_error
# must not: be a sandbox_error: Python refuses to print so many digits
# --- program ---
a, b = map(int, input().split())
print(10**5000 + a + b)
