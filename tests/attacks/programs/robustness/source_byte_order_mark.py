# group: robustness
# problem: add
# verdict: passed
# must not: be a compile_error because of the mark
# --- program ---
﻿def add(a, b):
    return a + b
