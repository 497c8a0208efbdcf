# group: resource
# problem: check_sort
# verdict: output_limit
# must not: carry the value into the tester
# --- program ---
def sort_list(xs):
    return sorted(xs) + [0] * 5_000_000
