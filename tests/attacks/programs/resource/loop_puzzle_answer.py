# group: resource
# problem: puzzle_square
# verdict: timeout
# must not: hold a worker longer than the CPU limit
# --- program ---
def solve():
    n = 1
    while True:
        n += 1
