# group: cheating
# problem: three_lines
# verdict: wrong_answer
# must not: pass because tokens are compared without their lines
# --- program ---
n = int(input())
print(n + 1, n + 2, n + 3)
