# group: resource
# problem: check_square
# verdict: timeout
# must not: leave the tester waiting for an answer that never comes
# --- program ---
def square(n):
    while True:
        n += 1
