# group: robustness
# problem: add
# verdict: compile_error
# must not: be a runtime_error or a sandbox_error
# --- program ---
# -*- coding: klingon -*-
def add(a, b):
    return a + b
