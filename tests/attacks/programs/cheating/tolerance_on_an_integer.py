# group: cheating
# problem: triangle
# verdict: wrong_answer
# must not: pass by a relative tolerance: integers are exact
# --- program ---
def triangle(n):
    return n * (n + 1) // 2 + 1
