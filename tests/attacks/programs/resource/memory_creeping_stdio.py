# group: resource
# problem: sum_two_small
# verdict: memory_limit
# must not: be a timeout or a runtime_error
# --- program ---
a, b = map(int, input().split())
rows = []
while len(rows) < 4096:
    rows.append("row" * 350000)
print(a + b)
