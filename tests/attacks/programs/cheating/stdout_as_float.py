# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because the token is read as a number: the task says nothing of floats
# --- program ---
print(float(sum(map(int, input().split()))))
