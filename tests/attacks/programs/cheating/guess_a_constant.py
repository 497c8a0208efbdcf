# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because one of the tests expects it
# --- program ---
def add(a, b):
    return 0
