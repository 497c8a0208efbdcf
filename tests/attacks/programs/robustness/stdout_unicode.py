# group: robustness
# problem: reverse_text
# verdict: passed
# must not: fail because of the locale
# --- program ---
print(input()[::-1])
