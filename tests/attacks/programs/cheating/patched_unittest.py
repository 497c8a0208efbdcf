# group: cheating
# problem: check_square
# verdict: wrong_answer
# must not: pass because the tester shares its modules
# --- program ---
import unittest
import unittest.case

for name in [name for name in dir(unittest.TestCase) if name.startswith("assert")]:
    setattr(unittest.TestCase, name, lambda self, *args, **options: None)
unittest.case.TestCase.run = lambda self, result=None: result


def square(n):
    return 0
