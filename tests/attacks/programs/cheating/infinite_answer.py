# group: cheating
# problem: mean
# verdict: wrong_answer
# must not: pass because an infinite tolerance or difference is formed
# --- program ---
def mean(xs):
    return float("inf")
