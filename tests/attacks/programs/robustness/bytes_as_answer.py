# group: robustness
# problem: concat
# verdict: wrong_answer
# must not: be decoded by the judge
# --- program ---
def concat(a, b):
    return (a + b).encode()
