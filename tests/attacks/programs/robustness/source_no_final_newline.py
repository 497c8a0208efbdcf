# group: robustness
# problem: sum_two
# verdict: passed
# must not: be a compile_error
# --- program ---
a, b = map(int, input().split())
print(a + b)