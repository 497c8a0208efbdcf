# group: resource
# problem: sum_two
# verdict: memory_limit
# must not: be a runtime_error because the interpreter exits with status 1
# --- program ---
a, b = map(int, input().split())
table = [a] * (10**10)
print(a + b)
