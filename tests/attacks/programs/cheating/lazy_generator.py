# group: cheating
# problem: reverse_list
# verdict: wrong_answer
# must not: run code of the program while the answer is compared
# --- program ---
def reverse_list(xs):
    return (x for x in reversed(xs))
