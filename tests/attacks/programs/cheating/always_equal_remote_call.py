# group: cheating
# problem: check_square
# verdict: wrong_answer
# must not: enter the tester as an object with a forged __eq__
# --- program ---
class Equal:
    def __eq__(self, other):
        return True

    __hash__ = None


def square(n):
    return Equal()
