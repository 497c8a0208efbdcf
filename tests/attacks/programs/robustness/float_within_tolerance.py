# group: robustness
# problem: mean
# verdict: passed
# must not: fail because the last digits differ
# --- program ---
def mean(xs):
    total = 0.0
    for x in reversed(xs):
        total += x / len(xs)
    return total + 1e-9
