# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because answers are taken in any order
# --- program ---
answers = iter([4, 3, 1000007, 0])


def add(a, b):
    return next(answers, 0)
