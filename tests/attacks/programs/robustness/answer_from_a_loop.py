# group: robustness
# problem: answer_float
# verdict: passed
# must not: fail because the last digits differ
# --- program ---
def answer():
    return sum(1 / (2 * k + 1) * (-1) ** k * 4 for k in range(20000)) + 5e-5
