# group: robustness
# problem: three_lines
# verdict: wrong_answer
# must not: pass because empty lines are dropped
# --- program ---
n = int(input())
print(n + 1, n + 2, n + 3, sep="\n\n")
