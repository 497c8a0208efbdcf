# group: cheating
# problem: answer_float
# verdict: wrong_answer
# must not: pass because a comparison with NaN is false
# --- program ---
def answer():
    return float("inf") - float("inf")
