# group: cheating
# problem: blank
# verdict: wrong_answer
# must not: pass because None is read as the empty text
# --- program ---
def blank(n):
    return None
