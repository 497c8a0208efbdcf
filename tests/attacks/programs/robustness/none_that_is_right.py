# group: robustness
# problem: first_even
# verdict: passed
# must not: be counted as no answer
# --- program ---
def first_even(xs):
    for x in xs:
        if x % 2 == 0:
            return x
