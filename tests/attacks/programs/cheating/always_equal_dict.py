# group: cheating
# problem: histogram
# verdict: wrong_answer
# must not: pass because it is a dict
# control: yes
# --- program ---
class Equal(dict):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None


def histogram(text):
    return Equal()
