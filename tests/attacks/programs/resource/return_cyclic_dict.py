# group: resource
# problem: histogram
# verdict: wrong_answer | output_limit
# must not: make the encoder run for ever
# why open: a value that contains itself is either not plain (unequal) or over the cap on depth
# --- program ---
def histogram(text):
    value = {}
    value["self"] = [value]
    return value
