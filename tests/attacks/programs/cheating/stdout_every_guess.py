# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because the right line is among the lines
# --- program ---
for number in range(-100, 1000):
    print(number)
