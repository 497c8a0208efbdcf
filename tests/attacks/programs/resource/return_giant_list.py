# group: resource
# problem: reverse_list
# verdict: output_limit
# must not: build the whole encoding in memory before it is measured
# --- program ---
def reverse_list(xs):
    return xs[::-1] + [0] * 5_000_000
