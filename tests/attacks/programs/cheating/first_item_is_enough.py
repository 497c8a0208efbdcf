# group: cheating
# problem: reverse_list
# verdict: wrong_answer
# must not: pass because only the first item is compared
# --- program ---
def reverse_list(xs):
    return xs[-1] if xs else []
