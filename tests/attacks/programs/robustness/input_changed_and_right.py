# group: robustness
# problem: reverse_list
# verdict: passed
# must not: fail because the program changes its argument
# --- program ---
def reverse_list(xs):
    answer = xs[::-1]
    xs.append(99)
    xs.sort()
    return answer
