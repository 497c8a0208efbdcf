# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a compile_error: the program compiles
# --- program ---
def add(a, b):
    raise SyntaxError("invalid syntax", ("program", 1, 1, "x"))
