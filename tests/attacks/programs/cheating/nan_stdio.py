# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because NaN is unequal to nothing in some comparison
# --- program ---
print("nan")
