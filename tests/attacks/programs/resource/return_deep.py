# group: resource
# problem: reverse_list
# verdict: wrong_answer | output_limit
# must not: overflow the stack of the encoder or of the judge
# why open: a value nested deeper than the encoder follows is either not plain (unequal) or over the cap on depth
# --- program ---
def reverse_list(xs):
    value = []
    for _ in range(200_000):
        value = [value]
    return value
