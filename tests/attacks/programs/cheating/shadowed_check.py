# group: cheating
# problem: check_square
# verdict: wrong_answer
# must not: pass because the program brings its own check
# control: yes
# --- program ---
METADATA = {}


def check(candidate):
    return True


def candidate(n):
    return n * n


def square(n):
    return 0
