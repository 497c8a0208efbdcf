# group: resource
# problem: reverse_list
# verdict: wrong_answer | output_limit
# must not: write 2**60 nodes from sixty lists
# why open: over the cap on nodes, or cut at the cap on depth and therefore unequal
# --- program ---
def reverse_list(xs):
    value = [0]
    for _ in range(60):
        value = [value, value]
    return value
