# group: robustness
# problem: add
# verdict: compile_error | passed
# must not: be a sandbox_error, or crash the judge that reads the source
# why open: Python refuses such a file, but not such bytes when they are handed to compile() and the comment is all that is wrong
# --- program ---
# café
def add(a, b):
    return a + b
