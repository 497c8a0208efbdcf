# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because it is an int
# control: yes
# --- program ---
class Equal(int):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = int.__hash__


def add(a, b):
    return Equal(0)
