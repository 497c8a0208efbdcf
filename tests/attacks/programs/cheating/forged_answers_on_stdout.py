# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because the right numbers are printed
# --- program ---
print("3\n0\n1000007\n4")


def add(a, b):
    print(a + b, flush=True)
    return None
