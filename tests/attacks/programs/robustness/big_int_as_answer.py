# group: robustness
# problem: power
# verdict: passed
# must not: fail at four thousand digits
# --- program ---
def power(base, exponent):
    return base**exponent
