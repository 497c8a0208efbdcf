# group: robustness
# problem: concat
# verdict: wrong_answer
# must not: raise in the judge: half a surrogate pair cannot be written as UTF-8
# --- program ---
def concat(a, b):
    return a + b + "\ud800"
