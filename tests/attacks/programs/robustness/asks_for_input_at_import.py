# group: robustness
# problem: add
# verdict: runtime_error
# must not: wait for somebody to type
# --- program ---
numbers = input("numbers: ")


def add(a, b):
    return a + b
