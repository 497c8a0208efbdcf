# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because characters without width are dropped
# --- program ---
print("\u200b" + str(sum(map(int, input().split()))) + "\u200b")
