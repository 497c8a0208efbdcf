# group: robustness
# problem: add
# verdict: wrong_answer
# must not: be counted as no answer
# --- program ---
def add(a, b):
    print(a + b)
