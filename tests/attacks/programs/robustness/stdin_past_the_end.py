# group: robustness
# problem: sum_two
# verdict: runtime_error
# must not: wait for more
# --- program ---
a, b = map(int, input().split())
print(a + b)
input()
