# group: cheating
# problem: reverse_list
# verdict: wrong_answer
# must not: pass because an earlier answer is changed later: values are taken at once
# --- program ---
answer = []


def reverse_list(xs):
    wanted = xs[::-1]
    previous = list(answer)
    answer[:] = wanted
    return previous if previous != wanted else [None]
