# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because it says that its class is int
# control: yes
# --- program ---
class Equal:
    @property
    def __class__(self):
        return int

    def __eq__(self, other):
        return True

    def __index__(self):
        return 0

    __int__ = __index__
    __hash__ = None


def add(a, b):
    return Equal()
