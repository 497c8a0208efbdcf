# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error | output_limit
# must not: crash the judge by bytes that are no text, or be a sandbox_error
# why open: a spoilt channel is the program's own doing: no answer, a wrong one, or more bytes than allowed
# --- program ---
import os

for fd in range(64):
    for block in (b"\x00" * 64, b"\xff" * 64, b"\x01", b"\n" * 64, bytes(range(256)), b"\x80\x04K\x01."):
        try:
            os.write(fd, block)
        except OSError:
            pass


def add(a, b):
    return None
