# group: robustness
# problem: add
# verdict: wrong_answer
# must not: be awaited by the judge, or stop it by a warning
# --- program ---
async def add(a, b):
    return a + b
