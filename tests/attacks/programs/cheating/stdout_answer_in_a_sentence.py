# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because the answer is contained in the line
# --- program ---
print("The answer is", sum(map(int, input().split())))
