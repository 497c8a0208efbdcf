# group: resource
# problem: puzzle_collatz
# verdict: timeout
# must not: hang the process that evaluates the predicate: 0 is a fixed point of the loop
# --- program ---
def solve():
    return 0
