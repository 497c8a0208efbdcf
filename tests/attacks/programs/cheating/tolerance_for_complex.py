# group: cheating
# problem: mean
# verdict: wrong_answer | runtime_error
# must not: pass because abs() of a complex difference is small, or crash the judge
# why open: a complex number is not a plain value, and formatting one as a float may fail in the child
# --- program ---
def mean(xs):
    return complex(0, 0)
