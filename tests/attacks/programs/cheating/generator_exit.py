# group: cheating
# problem: check_square
# verdict: runtime_error
# must not: slip past `except Exception` in the tester
# --- program ---
def square(n):
    raise GeneratorExit
