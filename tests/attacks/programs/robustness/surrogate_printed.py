# group: robustness
# problem: sum_two
# verdict: runtime_error
# must not: be a sandbox_error
# --- program ---
a, b = map(int, input().split())
print("\ud800", a + b)
