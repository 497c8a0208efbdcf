# group: cheating
# problem: concat
# verdict: wrong_answer
# must not: pass because it is a str
# control: yes
# --- program ---
class Equal(str):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


def concat(a, b):
    return Equal("")
