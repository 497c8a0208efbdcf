# group: robustness
# problem: sum_two
# verdict: compile_error
# must not: be run by another interpreter
# --- program ---
a, b = map(int, raw_input().split())
print a + b
