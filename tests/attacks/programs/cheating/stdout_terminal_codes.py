# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because a terminal would show the right line
# --- program ---
print("9\b" + str(sum(map(int, input().split()))) + "\x1b[K\r")
