# group: robustness
# problem: add
# verdict: passed
# must not: be a compile_error or change the text literal
# --- program ---
TEXT = '''one
two'''
assert len(TEXT) == 7


def add(a, b):
    return a + b
