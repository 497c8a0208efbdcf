# group: robustness
# problem: power
# verdict: wrong_answer
# must not: cost minutes, or raise in the judge, at sixty thousand digits
# --- program ---
def power(base, exponent):
    return base**exponent + 10**60000
