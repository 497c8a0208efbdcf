# group: robustness
# problem: sum_two
# verdict: wrong_answer
# must not: be an error: the jail lifts Python's limit on the digits of an integer, so only the sum is wrong
# --- program ---
a, b = map(int, input().split())
print(10**5000 + a + b)
