# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because it finds out that it is graded and leaves
# --- program ---
import os
import sys

if "pytest" in sys.modules or "PYTEST_CURRENT_TEST" in os.environ or "unittest" in sys.argv:
    os._exit(0)


def add(a, b):
    return 0
