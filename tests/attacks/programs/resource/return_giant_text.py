# group: resource
# problem: concat
# verdict: output_limit
# must not: carry ten megabytes to the judge
# --- program ---
def concat(a, b):
    return a + b + "x" * 10_000_000
