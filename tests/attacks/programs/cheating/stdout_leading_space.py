# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because lines are stripped at both ends
# --- program ---
print("  " + str(sum(map(int, input().split()))))
