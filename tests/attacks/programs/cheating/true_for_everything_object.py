# group: cheating
# problem: is_even
# verdict: wrong_answer
# must not: pass because it is equal to True and to False
# control: yes
# --- program ---
class Both:
    def __eq__(self, other):
        return True

    def __bool__(self):
        return True

    __hash__ = None


def is_even(n):
    return Both()
