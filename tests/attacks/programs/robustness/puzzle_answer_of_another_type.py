# group: robustness
# problem: puzzle_square
# verdict: wrong_answer
# must not: be the predicate's crash
# --- program ---
def solve():
    return {"x": [1234]}
