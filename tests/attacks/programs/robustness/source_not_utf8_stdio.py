# group: robustness
# problem: sum_two
# verdict: compile_error
# must not: be a sandbox_error, or crash the judge that reads the source
# --- program ---
a, b = map(int, input().split())
print(a + b, end='ÿþ')
