# group: cheating
# problem: puzzle_square
# verdict: wrong_answer
# must not: pass because the program brings its own sat
# --- program ---
def sat(*args, **options):
    return True


def solve():
    return 7
