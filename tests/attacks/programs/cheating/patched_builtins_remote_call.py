# group: cheating
# problem: check_square
# verdict: wrong_answer | runtime_error
# must not: change the tester's builtins
# why open: a child that spoils its own interpreter may fail before it answers
# --- program ---
import builtins

builtins.range = builtins.enumerate = builtins.zip = lambda *args: ()
builtins.isinstance = builtins.hasattr = lambda *args: True


def square(n):
    return 0
