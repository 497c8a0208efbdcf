# group: robustness
# problem: concat
# verdict: passed
# must not: be a compile_error because it is no UTF-8: it says what it is
# --- program ---
# -*- coding: latin-1 -*-
TEXT = 'café'
assert TEXT == 'caf\u00e9'


def concat(a, b):
    return a + b
