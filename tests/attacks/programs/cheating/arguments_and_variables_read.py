# group: cheating
# problem: secret
# verdict: wrong_answer
# must not: find the expected value in its command line or environment
# --- program ---
import os
import sys


def secret(n):
    for text in [*sys.argv, *getattr(sys, "orig_argv", []), *os.environ.values()]:
        at = text.find("RLT-EXPECTED-")
        if at >= 0:
            return text[at : at + 29]
    return "nothing found"
