# group: cheating
# problem: three_lines
# verdict: wrong_answer
# must not: pass because only as many lines are compared as were printed
# --- program ---
n = int(input())
print(n + 1)
