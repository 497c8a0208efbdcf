# group: cheating
# problem: three_lines
# verdict: wrong_answer
# must not: pass because lines are compared as a set
# --- program ---
n = int(input())
print(n + 1, n + 2, n + 3, n + 1, sep="\n")
