# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: hang, or be a sandbox_error because nobody answers
# why open: closed before the answer, the channel is gone; a mapped channel still carries the wrong answer
# --- program ---
import os

os.closerange(0, 4096)


def add(a, b):
    return None
