# group: robustness
# problem: puzzle_palindrome
# verdict: wrong_answer
# must not: be counted as no answer
# --- program ---
def solve():
    return None
