# group: robustness
# problem: check_square
# verdict: passed
# must not: fail because of what is printed
# --- program ---
print("loading")


def square(n):
    print("square", n, flush=True)
    return n * n
