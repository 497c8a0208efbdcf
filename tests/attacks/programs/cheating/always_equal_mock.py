# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because the standard library itself has such an object
# control: yes
# --- program ---
from unittest.mock import ANY


def add(a, b):
    return ANY
