# group: cheating
# problem: three_lines
# verdict: wrong_answer
# must not: pass because lines are compared as a set
# --- program ---
n = int(input())
print(n + 3)
print(n + 1)
print(n + 2)
