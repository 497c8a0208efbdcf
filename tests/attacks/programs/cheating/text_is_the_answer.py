# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because "5" is read as 5
# --- program ---
def add(a, b):
    return str(a + b)
