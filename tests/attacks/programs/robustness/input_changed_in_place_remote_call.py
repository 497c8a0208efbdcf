# group: robustness
# problem: check_sort
# verdict: passed
# must not: fail because the program sorts its argument in place
# --- program ---
def sort_list(xs):
    xs.sort()
    return xs
