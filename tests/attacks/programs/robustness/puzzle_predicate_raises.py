# group: robustness
# problem: puzzle_palindrome
# verdict: wrong_answer
# must not: be a runtime_error of the program: it gave an answer, and the predicate could not use it
# --- program ---
def solve():
    return 8
