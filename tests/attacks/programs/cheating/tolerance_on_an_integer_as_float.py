# group: cheating
# problem: triangle
# verdict: wrong_answer
# must not: pass by a relative tolerance because the answer is a float: the expected integer is exact
# --- program ---
def triangle(n):
    return n * (n + 1) / 2 + 0.25
