# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass through a forged __eq__
# control: yes
# --- program ---
class Equal:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


def add(a, b):
    return Equal()
