# group: cheating
# problem: is_even
# verdict: wrong_answer
# must not: pass because most answers are True
# --- program ---
def is_even(n):
    return True
