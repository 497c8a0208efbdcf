# group: robustness
# problem: assert_add
# verdict: wrong_answer
# must not: pass because the first assertions hold
# --- program ---
def add(a, b):
    return a + b if a < 100 else 0
