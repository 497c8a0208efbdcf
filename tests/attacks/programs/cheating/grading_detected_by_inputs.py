# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because it is right for the tests that the statement shows
# --- program ---
KNOWN = {(1, 2): 3}


def add(a, b):
    return KNOWN.get((a, b), 0)
