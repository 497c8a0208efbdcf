# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because the answer is unwrapped
# --- program ---
def add(a, b):
    return [a + b]
