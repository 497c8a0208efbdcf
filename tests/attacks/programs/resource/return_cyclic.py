# group: resource
# problem: reverse_list
# verdict: wrong_answer | output_limit
# must not: make the encoder run for ever
# why open: a value that contains itself is either not plain (unequal) or over the cap on depth
# --- program ---
def reverse_list(xs):
    xs.append(xs)
    return xs
